"""From the end of one task to the first step of the next: `python benchmarks/overhead.py`.

A real worker with real children does a small study: digits, SqueezeNet, one epoch per period. It
also does a study whose tasks are empty. The first rival is Celery alone: a chain of empty tasks
with the same settings. The second is Ray Tune with empty trials, with and without a limit of one at
a time. It runs where `--ray-python` (default: this Python) has Ray.

Goals: at most 100 ms more than Celery; at most a fifth of Ray Tune.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import common
from timed_worker import gaps_of_celery, times_of_worker

from jobs import readiness
from jobs.settings import Settings
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import preflight
from orchestrator.local import embedded_redis
from orchestrator.local.embedded_redis import EmbeddedRedis
from orchestrator.submission import run_creation
from workers.messaging import broker, messages

PARTS = ("queue and claim", "fork", "data and network", "in all")
MAX_OVER_CELERY_MS, MIN_TIMES_RAY = 100.0, 5.0
RAY = """
import json, logging, sys, time
from ray import init, tune
init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
ends_of = {}
for name, most in (("one at a time", 1), ("as many as it likes", None)):
    config = tune.TuneConfig(num_samples=int(sys.argv[1]), max_concurrent_trials=most)
    run = tune.RunConfig(verbose=0, storage_path=sys.argv[2])
    ends = tune.Tuner(lambda config: {"at": time.time()}, tune_config=config, run_config=run).fit()
    ends_of[name] = sorted(end.metrics["at"] for end in ends)
print("ENDS", json.dumps(ends_of))
"""


def main() -> int:
    """Measure, print the table and the goals, and return the exit code."""
    options = _parse_options()
    if options.work:
        store, broker_url, entry, tasks = options.work
        times = (
            times_of_worker(Path(store), broker_url, entry, int(tasks))
            if entry
            else gaps_of_celery(broker_url, int(tasks))
        )
        print(json.dumps(times), file=sys.__stdout__)  # Celery's worker takes stdout for its log
        return 0
    figures = measure(options)
    if figures["ray"] is None:
        print(
            "Ray Tune is not measured: no ray[tune] in this Python (name another with "
            "--ray-python)."
        )
    celery_ms = statistics.median(figures["celery"])
    ours_ms = {study: _medians(figures[study]) for study in ("empty", "study")}
    head = ["from the end of one to the first step of the next, ms", *PARTS]
    return common.publish(
        "A task's overhead",
        common.table(head, _rows(figures, ours_ms, celery_ms)),
        _goals(figures["ray"] or {}, ours_ms, celery_ms),
        figures,
        options.json,
        options.check,
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--periods", type=int, default=4, help="periods of the small study  [default: 4]"
    )
    parser.add_argument(
        "--empty", type=int, default=40, help="empty tasks; a quarter as many trials  [default: 40]"
    )
    parser.add_argument(
        "--ray-python", metavar="PATH", default=sys.executable, help="a Python that has ray[tune]"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    parser.add_argument(
        "--work", nargs=4, metavar=("STORE", "BROKER", "ENTRY", "TASKS"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds from task to task: both studies, Celery alone, and Ray Tune."""
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    server = embedded_redis.start(folder, embedded_redis.socket_path(folder))
    try:
        return {
            "empty": study(folder / "empty", server, "timed_work:nothing", options.empty // 2),
            "celery": in_a_process("", server.url, "", options.empty * 5),
            "study": study(folder / "study", server, "timed_work:real", options.periods),
            "ray": ray_tune(options.ray_python, max(5, options.empty // 4), folder / "ray"),
        }
    finally:
        server.stop(5)
        shutil.rmtree(folder, ignore_errors=True)


def study(root: Path, server: EmbeddedRedis, entry: str, periods: int) -> list[dict[str, float]]:
    """Let a worker of its own do a run of one network.

    Returns the milliseconds between tasks, in parts, for each training but the first.
    """
    common.say(f"{entry}: {periods} periods")
    spec = model.build({"backbones": ["squeezenet"], "periods": periods, "epochs_per_period": 1})
    request = preflight.check_request(
        spec, Settings(root, server.url, None), broker.ping, lambda names, folder: None
    )
    store = Store(root).open(create=True)
    run = run_creation.create_run(store, request.spec, request.source, {"orch": "benchmark"})
    messages.enqueue(server.url, readiness.ready_tasks(store, run), store=store.id)
    started: dict[str, dict[str, float]] = in_a_process(
        str(root), server.url, entry, len(run.tasks)
    )
    return gaps(store, run, started)


def gaps(store: Store, run: Run, started: dict[str, dict[str, float]]) -> list[dict[str, float]]:
    """The gap before each training but the first, in milliseconds and in parts.

    A gap begins when the task before it is published.
    """
    published = {task: store.done_path(Task.parse(task)).stat().st_mtime for task in run.tasks}
    order = sorted(started, key=lambda task: started[task]["claimed"])
    trainings = [pair for pair in itertools.pairwise(order[1:]) if "begun" in started[pair[1]]]
    return [_parts_ms(published[before], started[task]) for before, task in trainings]


def _parts_ms(published: float, when: dict[str, float]) -> dict[str, float]:
    moments = (published, when["claimed"], when["entered"], when["begun"])
    parts = [max(0.0, (end - begin) * 1000) for begin, end in itertools.pairwise(moments)]
    return dict(zip(PARTS, [*parts, (moments[-1] - moments[0]) * 1000], strict=True))


def in_a_process(store: str, broker_url: str, entry: str, tasks: int) -> Any:
    """Run this script with `--work` in a process of its own; returns what it measured."""
    command = [sys.executable, __file__, "--work", store, broker_url, entry, str(tasks)]
    said = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return json.loads(said.stdout.splitlines()[-1])


def ray_tune(python: str, trials: int, folder: Path) -> dict[str, float] | None:
    """Milliseconds from one empty trial to the next, by how many may run at a time.

    None if that Python has no Ray.
    """
    if subprocess.run([python, "-c", "import ray.tune"], capture_output=True).returncode != 0:
        return None
    common.say(f"Ray Tune: 2 x {trials} trials")
    said = subprocess.run(
        [python, "-c", RAY, str(trials), str(folder)], check=True, capture_output=True, text=True
    )
    line = next(line for line in said.stdout.splitlines() if line.startswith("ENDS "))
    ends_of: dict[str, list[float]] = json.loads(line.removeprefix("ENDS "))
    return {name: (ends[-1] - ends[0]) / (len(ends) - 1) * 1000 for name, ends in ends_of.items()}


def _medians(gaps: list[dict[str, float]]) -> list[float]:
    return [statistics.median(gap[part] for gap in gaps) for part in PARTS]


def _rows(
    figures: dict[str, Any], ours_ms: dict[str, list[float]], celery_ms: float
) -> list[list[Any]]:
    return [
        [f"orch, empty children (n={len(figures['empty'])})", *ours_ms["empty"]],
        [f"orch, trainings (n={len(figures['study'])})", *ours_ms["study"]],
        [f"Celery alone, empty tasks (n={len(figures['celery'])})", "", "", "", celery_ms],
        *(
            [f"Ray Tune, empty trials, {name}", "", "", "", ms]
            for name, ms in (figures["ray"] or {}).items()
        ),
    ]


def _goals(
    ray_ms: dict[str, float], ours_ms: dict[str, list[float]], celery_ms: float
) -> list[common.Goal]:
    goals = [
        common.Goal(
            f"ms over Celery, {name},", ours_ms[study][-1] - celery_ms, MAX_OVER_CELERY_MS, True
        )
        for study, name in (("study", "trainings"), ("empty", "empty children"))
    ]
    goals += [
        common.Goal(
            f"Ray Tune, {name}, times ours, empty", ms / ours_ms["empty"][-1], MIN_TIMES_RAY
        )
        for name, ms in ray_ms.items()
    ]
    if ray_ms:
        goals.append(
            common.Goal(
                "Ray Tune, one at a time, times ours, trainings",
                ray_ms["one at a time"] / ours_ms["study"][-1],
                MIN_TIMES_RAY,
            )
        )
    return goals


if __name__ == "__main__":
    sys.exit(main())
