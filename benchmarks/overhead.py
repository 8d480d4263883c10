"""From the end of one task to the first step of the next: `python benchmarks/overhead.py`.

A real worker with real children does a small study (digits, SqueezeNet, one epoch a period) and one
whose tasks are empty. Beside it: a chain of empty tasks in Celery alone, with the same settings;
and Ray Tune with empty trials, one at a time and as many as it likes, where `--ray-python` (or this
Python) has Ray. Promised: within 100 ms of Celery; at least 5 times less than Ray Tune.
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
import threading
import time
from pathlib import Path
from typing import Any

import common

from jobs.settings import Settings
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.local import embedded_redis
from orchestrator.local.embedded_redis import EmbeddedRedis
from orchestrator.submission import submit
from workers import main as workers
from workers.devices.discovery import Device
from workers.lease import LeaseTracker
from workers.messaging import broker
from workers.process import child
from workers.reconciler import Reconciler
from workers.worker import Worker

PARTS = ("queue and claim", "fork", "data and network", "in all")
MAX_OVER_CELERY_MS, LEAST_TIMES_RAY = 100.0, 5.0
RAY = """
import json, logging, sys, time
from ray import init, tune
init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
found = {}
for name, most in (("one at a time", 1), ("as many as it likes", None)):
    config = tune.TuneConfig(num_samples=int(sys.argv[1]), max_concurrent_trials=most)
    run = tune.RunConfig(verbose=0, storage_path=sys.argv[2])
    ends = tune.Tuner(lambda config: {"at": time.time()}, tune_config=config, run_config=run).fit()
    found[name] = sorted(end.metrics["at"] for end in ends)
print("ENDS", json.dumps(found))
"""


def main() -> int:
    """Measure all, print and compare with the goals."""
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
    asked = parser.parse_args()
    if asked.work:
        store, broker_url, entry, tasks = asked.work
        found = (
            at_work(Path(store), broker_url, entry, int(tasks))
            if entry
            else chain(broker_url, int(tasks))
        )
        print(json.dumps(found), file=sys.__stdout__)  # Celery's worker takes stdout for its log
        return 0
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    server = embedded_redis.start(folder, embedded_redis.socket_path(folder))
    try:
        figures = {
            "empty": study(folder / "empty", server, "timed_work:nothing", asked.empty // 2),
            "celery": in_a_process("", server.url, "", asked.empty * 5),
            "study": study(folder / "study", server, "timed_work:real", asked.periods),
            "ray": ray_tune(asked.ray_python, max(5, asked.empty // 4), folder / "ray"),
        }
    finally:
        server.stop(5)
        shutil.rmtree(folder, ignore_errors=True)
    return tell(figures, asked.json, asked.check)


def study(root: Path, server: EmbeddedRedis, entry: str, periods: int) -> list[dict[str, float]]:
    """A run of one network, done by a worker of its own; the parts of the way to each training but
    the first, in ms.
    """
    common.say(f"{entry}: {periods} periods")
    asked = model.build({"backbones": ["squeezenet"], "periods": periods, "epochs_per_period": 1})
    request = submit.check_request(
        asked, Settings(root, server.url, None), broker.ping, lambda names, folder: None
    )
    store = Store(root).open(create=True)
    run = submit.record_run(store, request, {"orch": "benchmark"})
    submit.enqueue_ready(store, run, server.url, broker.enqueue)
    started: dict[str, dict[str, float]] = in_a_process(
        str(root), server.url, entry, len(run.tasks)
    )
    return ways(store, run, started)


def ways(store: Store, run: Run, started: dict[str, dict[str, float]]) -> list[dict[str, float]]:
    """The way to each training but the first: from the moment at which the task before it had been
    published.
    """
    ends = {task: store.done_path(Task.parse(task)).stat().st_mtime for task in run.tasks}
    order, found = sorted(started, key=lambda task: started[task]["claimed"]), []
    for before, task in itertools.pairwise(order[1:]):
        when = started[task]
        if "begun" in when:
            marks = (ends[before], when["claimed"], when["entered"], when["begun"])
            parts = [max(0.0, (after - mark) * 1000) for mark, after in itertools.pairwise(marks)]
            found.append(dict(zip(PARTS, [*parts, (marks[-1] - marks[0]) * 1000], strict=True)))
    return found


def at_work(root: Path, broker_url: str, entry: str, tasks: int) -> dict[str, dict[str, float]]:
    """Work like `orch worker` until so many tasks are done; when each was claimed, entered and
    begun (Unix time).
    """
    started: dict[str, dict[str, float]] = {}
    store, leave, over = Store(root), threading.Event(), threading.Event()
    worker = Worker(
        store,
        broker_url,
        "w1",
        "host",
        Device("cpu", "cpu", "", 1),
        None,
        LeaseTracker(store),
        entry=entry,
    )

    def run_child(order: Any, log: Path, heard: Any, **rest: Any) -> Any:
        when = started[order.task] = {"claimed": time.time()}

        def listen(message: dict[str, Any]) -> None:
            when.setdefault(message["phase"], message.get("at", 0.0))
            heard(message)

        try:
            return child.run(order, log, on_message=listen, **rest)
        finally:
            if len(started) >= tasks:
                over.set()

    worker.run_child = run_child
    child.start_fork_server()
    child.warm(leave)
    threading.Thread(target=Reconciler(worker).forever, args=(None, leave), daemon=True).start()
    consume(workers._consumer(worker), over)
    return started


def chain(broker_url: str, tasks: int) -> list[float]:
    """Celery alone: each empty task sends the next; milliseconds from one to the next."""
    application, begun, over = broker.app(broker_url), list[float](), threading.Event()

    @application.task(name="orch.train", shared=False)
    def nothing(number: int) -> None:
        begun.append(time.perf_counter())
        if number < tasks:
            application.send_task("orch.train", args=[number + 1], priority=8)
        else:
            over.set()

    application.send_task("orch.train", args=[1], priority=8)
    consume(
        application.Worker(
            pool="threads",
            concurrency=1,
            loglevel="INFO",
            without_mingle=True,
            without_gossip=True,
            optimization="fair",
            quiet=True,
        ),
        over,
    )
    return [(after - before) * 1000 for before, after in itertools.pairwise(begun[5:])]


def consume(consumer: Any, over: threading.Event) -> None:
    """Celery's worker, until `over` is set and its task is done."""
    from celery.worker import state

    def leave() -> None:
        over.wait()
        state.should_stop = 0

    threading.Thread(target=leave, daemon=True).start()
    consumer.start()


def in_a_process(store: str, broker_url: str, entry: str, tasks: int) -> Any:
    """What a process of its own measured."""
    command = [sys.executable, __file__, "--work", store, broker_url, entry, str(tasks)]
    said = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return json.loads(said.stdout.splitlines()[-1])


def ray_tune(python: str, trials: int, folder: Path) -> dict[str, float] | None:
    """Milliseconds from one empty trial to the next, by how many may run at a time; None where
    there is no Ray.
    """
    if subprocess.run([python, "-c", "import ray.tune"], capture_output=True).returncode != 0:
        return None
    common.say(f"Ray Tune: 2 x {trials} trials")
    said = subprocess.run(
        [python, "-c", RAY, str(trials), str(folder)], check=True, capture_output=True, text=True
    )
    line = next(line for line in said.stdout.splitlines() if line.startswith("ENDS "))
    found: dict[str, list[float]] = json.loads(line.removeprefix("ENDS "))
    return {name: (ends[-1] - ends[0]) / (len(ends) - 1) * 1000 for name, ends in found.items()}


def tell(figures: dict[str, Any], path: Path | None, check: bool) -> int:
    """The table, the goals, the JSON file."""

    def middle(which: str) -> list[float]:
        return [statistics.median(way[part] for way in figures[which]) for part in PARTS]

    celery, ours = (
        statistics.median(figures["celery"]),
        {which: middle(which) for which in ("empty", "study")},
    )
    rows: list[list[Any]] = [
        [f"orch, empty children (n={len(figures['empty'])})", *ours["empty"]],
        [f"orch, trainings (n={len(figures['study'])})", *ours["study"]],
        [f"Celery alone, empty tasks (n={len(figures['celery'])})", "", "", "", celery],
    ]
    goals = [
        common.Goal(
            "ms over Celery, trainings,", ours["study"][-1] - celery, MAX_OVER_CELERY_MS, True
        ),
        common.Goal(
            "ms over Celery, empty children,", ours["empty"][-1] - celery, MAX_OVER_CELERY_MS, True
        ),
    ]
    if figures["ray"] is None:
        print(
            "Ray Tune is not measured: no ray[tune] in this Python (name another with "
            "--ray-python)."
        )
    else:
        rows += [
            [f"Ray Tune, empty trials, {name}", "", "", "", ms]
            for name, ms in figures["ray"].items()
        ]
        goals += [
            common.Goal(
                f"Ray Tune, {name}, times ours, empty", ms / ours["empty"][-1], LEAST_TIMES_RAY
            )
            for name, ms in figures["ray"].items()
        ]
        goals.append(
            common.Goal(
                "Ray Tune, one at a time, times ours, trainings",
                figures["ray"]["one at a time"] / ours["study"][-1],
                LEAST_TIMES_RAY,
            )
        )
    head = ["from the end of one to the first step of the next, ms", *PARTS]
    return common.publish(
        "A task's overhead", common.table(head, rows), goals, figures, path, check
    )


if __name__ == "__main__":
    sys.exit(main())
