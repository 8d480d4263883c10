"""Ledger and queue: the cost per task, and its growth with the plan: `python benchmarks/plan.py`.

Plans of 100, 1,000 and 10,000 tasks are submitted to a store and a Redis of their own. A real
worker then drains them, or the first part of a large plan. Its tasks start no child: each is done
as soon as it is claimed. The rival is Celery alone, with the same settings and as many empty tasks,
all enqueued beforehand.

Goals: submit in at most 5 s; at most 5 ms per task over Celery; no growth from 100 tasks to 10,000.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import common
from draining import drain, drain_celery

from jobs import readiness
from jobs.settings import Settings
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator import preflight
from orchestrator.local import embedded_redis
from orchestrator.local.embedded_redis import EmbeddedRedis
from orchestrator.submission import run_creation
from workers.messaging import broker, messages

SHAPES = {100: (1, 7), 1_000: (7, 10), 10_000: (51, 14)}
"""Seeds and periods of a plan of all seven backbones, by the approximate number of its tasks."""
DRAINED = 1_000
COLUMNS = (
    ("ms", "ms a task"),
    ("median_ms", "median"),
    ("worst_ms", "worst"),
    ("cpu_ms", "CPU ms a task"),
)
MAX_SUBMIT_S, MAX_OVER_CELERY_MS, MAX_GROWTH = 5.0, 5.0, 1.25


def main() -> int:
    """Measure every size, print the table and the goals, and return the exit code."""
    options = _parse_options()
    if options.drain:
        store, broker_url, tasks = options.drain
        figures = (
            drain(Path(store), broker_url, int(tasks))
            if store
            else drain_celery(broker_url, int(tasks))
        )
        print(json.dumps(figures), file=sys.__stdout__)  # Celery's worker takes stdout for its log
        return 0
    submitted, rounds = measure(options)
    head = ["plan", "submit s", "orch submit s", *(title for _, title in COLUMNS)]
    return common.publish(
        "The cost of a plan",
        common.table(head, _rows(options.tasks, submitted, rounds)),
        _goals(options.tasks, submitted, rounds),
        {"submit": submitted, "rounds": rounds},
        options.json,
        options.check,
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tasks", type=int, nargs="+", choices=SHAPES, default=list(SHAPES), help="sizes of plans"
    )
    parser.add_argument(
        "--drained", type=int, default=DRAINED, help=f"tasks drained at most  [default: {DRAINED}]"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="each plan drained so often  [default: 3]"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    parser.add_argument(
        "--drain", nargs=3, metavar=("STORE", "BROKER", "TASKS"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


def measure(
    options: argparse.Namespace,
) -> tuple[dict[int, dict[str, float]], list[dict[str, Any]]]:
    """Submit each plan once, then drain all of them and Celery's tasks in rounds."""
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    server = embedded_redis.start(folder, embedded_redis.socket_path(folder))
    try:
        submitted = {
            size: submit_seconds(folder / f"cli-{size}", server, size) for size in options.tasks
        }
        rounds = [
            one_round(folder, server, options.tasks, options.drained, turn)
            for turn in range(options.repeats)
        ]
    finally:
        server.stop(5)
        shutil.rmtree(folder, ignore_errors=True)
    return submitted, rounds


def submit_seconds(folder: Path, server: EmbeddedRedis, size: int) -> dict[str, float]:
    """Seconds to submit a plan of that size: by a function call, and by `orch submit`."""
    common.say(f"submit {size:,} tasks")
    seconds = common.timed(lambda: submitted_run(folder / "inner", server.url, size))
    seeds, periods = SHAPES[size]
    command = [
        sys.executable,
        "-m",
        "orchestrator.cli",
        "submit",
        "--all-backbones",
        "--seeds",
        str(seeds),
        "--periods",
        str(periods),
        "--epochs-per-period",
        "1",
        "--no-workers",
        "--json",
    ]
    environment = {**os.environ, "ORCH_STORE": str(folder / "outer"), "ORCH_BROKER_URL": server.url}
    whole = common.timed(
        lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    )
    return {"submit_s": seconds, "command_s": whole}


def submitted_run(root: Path, broker_url: str, size: int) -> Run:
    """A run of about `size` tasks, checked, recorded and enqueued as `orch submit` does."""
    seeds, periods = SHAPES[size]
    spec = model.build(
        {"backbones": "all", "seeds": seeds, "periods": periods, "epochs_per_period": 1}
    )
    request = preflight.check_request(
        spec, Settings(root, broker_url, None), broker.ping, lambda names, folder: None
    )
    store = Store(root).open(create=True)
    run = run_creation.create_run(store, request.spec, request.source, {"orch": "benchmark"})
    messages.enqueue(broker_url, readiness.ready_tasks(store, run), store=store.id)
    return run


def one_round(
    folder: Path, server: EmbeddedRedis, sizes: list[int], most: int, turn: int
) -> dict[str, Any]:
    """Milliseconds per task: of each plan, and of Celery alone. Drains at most `most` tasks."""
    figures: dict[str, Any] = {}
    for size in sizes:
        root = folder / f"store-{size}-{turn}"
        _wipe(server)
        tasks = min(most, len(submitted_run(root, server.url, size).tasks))
        common.say(f"round {turn + 1}: draining {tasks:,} of {size:,} tasks")
        # The store stays until the end: after thousands of files are removed, ext4 creates files
        # slowly for some seconds.
        figures[str(size)] = _in_a_process(str(root), server.url, tasks)
    _wipe(server)
    common.say(f"round {turn + 1}: Celery alone")
    with broker.app(server.url) as application, application.connection_for_write() as connection:
        for number in range(most):
            application.send_task(
                "orch.train",
                args=[f"train.squeezenet-s0-00000000.{number:04d}"],
                priority=8,
                connection=connection,
            )
    figures["celery"] = _in_a_process("", server.url, most)
    return figures


def _in_a_process(store: str, broker_url: str, tasks: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--drain", store, broker_url, str(tasks)]
    said = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    figures: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return figures


def _wipe(server: EmbeddedRedis) -> None:
    import redis

    with redis.Redis(unix_socket_path=server.socket) as client:
        client.flushall()


def _rows(
    sizes: list[int], submitted: dict[int, dict[str, float]], rounds: list[dict[str, Any]]
) -> list[list[Any]]:
    def medians(name: str) -> list[float]:
        return [statistics.median(each[name][key] for each in rounds) for key, _ in COLUMNS]

    return [
        *(
            [
                f"{size:,} tasks",
                submitted[size]["submit_s"],
                submitted[size]["command_s"],
                *medians(str(size)),
            ]
            for size in sizes
        ),
        ["Celery alone", "", "", *medians("celery")],
    ]


def _goals(
    sizes: list[int], submitted: dict[int, dict[str, float]], rounds: list[dict[str, Any]]
) -> list[common.Goal]:
    large, small = max(sizes), min(sizes)
    over_celery_ms = (each[str(large)]["ms"] - each["celery"]["ms"] for each in rounds)
    growth = (each[str(large)]["ms"] / each[str(small)]["ms"] for each in rounds)
    return [
        common.Goal(
            f"seconds of 'orch submit', {large:,} tasks,",
            submitted[large]["command_s"],
            MAX_SUBMIT_S,
            True,
        ),
        common.Goal(
            f"ms a task over Celery, {large:,} tasks,",
            statistics.median(over_celery_ms),
            MAX_OVER_CELERY_MS,
            True,
        ),
        common.Goal(
            f"growth from {small:,} to {large:,} tasks",
            statistics.median(growth),
            MAX_GROWTH,
            True,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
