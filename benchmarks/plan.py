"""What a task costs the ledger and the queue, and whether that grows with the plan: `python
benchmarks/plan.py`.

Plans of 100, 1,000 and 10,000 tasks are submitted to a store and a Redis of their own, then drained
by a real worker whose tasks start no child: each is done as soon as it is claimed. The rival is
Celery alone, with the same settings and as many empty tasks, all queued beforehand. Promised:
submit in 5 s at most; at most 5 ms a task over Celery; no growth from 100 tasks to 10,000 (of large
plans a first part is drained).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
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

from jobs import plan
from jobs.settings import Settings
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from orchestrator import preflight
from orchestrator.local import embedded_redis
from orchestrator.local.embedded_redis import EmbeddedRedis
from orchestrator.submission import submit
from workers import main as workers
from workers.devices.discovery import Device
from workers.lease import LeaseTracker
from workers.messaging import broker
from workers.reconciler import Reconciler
from workers.worker import Worker

SHAPES = {100: (1, 7), 1_000: (7, 10), 10_000: (51, 14)}
"""Tasks (about): seeds and periods of a plan of all seven backbones."""
DRAINED, WARM_UP = 1_000, 20
End = tuple[float, str]
"""When a task ended (seconds of `time.perf_counter`), and its kind: its bookkeeping comes after."""
MAX_SUBMIT_S, MAX_OVER_CELERY_MS, MAX_GROWTH = 5.0, 5.0, 1.25


def main() -> int:
    """Measure every size, print and compare with the goals."""
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
    asked = parser.parse_args()
    if asked.drain:
        store, broker_url, tasks = asked.drain
        found = (
            drain(Path(store), broker_url, int(tasks))
            if store
            else drain_celery(broker_url, int(tasks))
        )
        print(json.dumps(found), file=sys.__stdout__)  # Celery's worker takes stdout for its log
        return 0
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    server = embedded_redis.start(folder, embedded_redis.socket_path(folder))
    try:
        submitted = {size: submitting(folder / f"cli-{size}", server, size) for size in asked.tasks}
        rounds = [
            one_round(folder, server, asked.tasks, asked.drained, turn)
            for turn in range(asked.repeats)
        ]
    finally:
        server.stop(5)
        shutil.rmtree(folder, ignore_errors=True)
    return tell(asked.tasks, submitted, rounds, asked.json, asked.check)


def submitting(folder: Path, server: EmbeddedRedis, size: int) -> dict[str, float]:
    """Seconds that `orch submit` takes for a plan of that size: its work alone, and the whole
    command.
    """
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
    """A run of about `size` tasks, checked, recorded and queued as `orch submit` does."""
    seeds, periods = SHAPES[size]
    asked = model.build(
        {"backbones": "all", "seeds": seeds, "periods": periods, "epochs_per_period": 1}
    )
    request = preflight.check_request(
        asked, Settings(root, broker_url, None), broker.ping, lambda names, folder: None
    )
    store = Store(root).open(create=True)
    run = submit.create_run(store, request.spec, request.source, {"orch": "benchmark"})
    broker.enqueue(broker_url, plan.ready_tasks(store, run))
    return run


def one_round(
    folder: Path, server: EmbeddedRedis, sizes: list[int], most: int, turn: int
) -> dict[str, Any]:
    """Milliseconds a task: of each plan, and of Celery alone."""
    found: dict[str, Any] = {}
    for size in sizes:
        root = folder / f"store-{size}-{turn}"
        _wipe(server)
        tasks = min(most, len(submitted_run(root, server.url, size).tasks))
        common.say(f"round {turn + 1}: draining {tasks:,} of {size:,} tasks")
        # The store stays until the end: ext4 makes files slowly for seconds after thousands were
        # removed.
        found[str(size)] = _in_a_process(str(root), server.url, tasks)
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
    found["celery"] = _in_a_process("", server.url, most)
    return found


def drain(root: Path, broker_url: str, tasks: int) -> dict[str, float]:
    """Work like `orch worker` until so many tasks were done; milliseconds each, the first ones not
    counted.
    """
    store, ends = Store(root), list[End]()
    worker = Worker(
        store, broker_url, "w1", "host", Device("cpu", "cpu", "", 1), None, LeaseTracker(store)
    )
    worker.run_child = lambda order, *_, **__: _outcome(order, ends, tasks, stop)
    consumer, leave, stop = workers._consumer(worker), threading.Event(), threading.Event()
    threading.Thread(target=Reconciler(worker).forever, args=(None, leave), daemon=True).start()
    return _timed(consumer, ends, stop, tasks)


def drain_celery(broker_url: str, tasks: int) -> dict[str, float]:
    """The same with tasks that do nothing, and no store."""
    application, ends, stop = broker.app(broker_url), list[End](), threading.Event()

    @application.task(name="orch.train", shared=False)
    def nothing(task_id: str) -> None:
        _count(ends, "train", tasks, stop)

    consumer = application.Worker(
        pool="threads",
        concurrency=1,
        loglevel="INFO",
        without_mingle=True,
        without_gossip=True,
        optimization="fair",
        quiet=True,
    )
    return _timed(consumer, ends, stop, tasks)


def _timed(consumer: Any, ends: list[End], stop: threading.Event, tasks: int) -> dict[str, float]:
    """Milliseconds a task: the mean of each kind, and of those the mean. A plan holds as many
    trainings as evaluations, whatever the share among those drained first; a training, when it
    ends, sends two more, an evaluation none.
    """

    def leave() -> None:
        from celery.worker import state

        stop.wait()
        state.should_stop = 0

    threading.Thread(target=leave, daemon=True).start()
    spent = time.process_time()
    consumer.start()
    spent_ms = (time.process_time() - spent) / tasks * 1000
    counted = ends[min(WARM_UP, tasks // 5) :]
    after: dict[str, list[float]] = {}
    for (began, kind), (ended, _) in itertools.pairwise(counted):
        after.setdefault(kind, []).append((ended - began) * 1000)
    return {
        "ms": statistics.mean(map(statistics.mean, after.values())),
        "median_ms": statistics.mean(map(statistics.median, after.values())),
        "worst_ms": max(map(max, after.values())),
        "cpu_ms": spent_ms,
    }


def _outcome(
    order: TaskRequest, ends: list[End], tasks: int, stop: threading.Event
) -> dict[str, Any]:
    task = Task.parse(order.task)
    _count(ends, task.kind, tasks, stop)
    return {"files": {}, "epoch": task.epoch, "seconds": 0.0, "device": "cpu"}


def _count(ends: list[End], kind: str, tasks: int, stop: threading.Event) -> None:
    ends.append((time.perf_counter(), kind))
    if len(ends) >= tasks:
        stop.set()


def _in_a_process(store: str, broker_url: str, tasks: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--drain", store, broker_url, str(tasks)]
    said = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    found: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return found


def _wipe(server: EmbeddedRedis) -> None:
    import redis

    with redis.Redis(unix_socket_path=server.socket) as client:
        client.flushall()


def tell(
    sizes: list[int],
    submitted: dict[int, dict[str, float]],
    rounds: list[dict[str, Any]],
    path: Path | None,
    check: bool,
) -> int:
    """The table, the goals, the JSON file."""

    def middle(who: str, what: str) -> float:
        return statistics.median(each[who][what] for each in rounds)

    columns = ("ms", "median_ms", "worst_ms", "cpu_ms")
    rows: list[list[Any]] = [
        [
            f"{size:,} tasks",
            submitted[size]["submit_s"],
            submitted[size]["command_s"],
            *(middle(str(size), what) for what in columns),
        ]
        for size in sizes
    ]
    rows.append(["Celery alone", "", "", *(middle("celery", what) for what in columns)])
    head = ["plan", "submit s", "orch submit s", "ms a task", "median", "worst", "CPU ms a task"]
    large, small = max(sizes), min(sizes)
    goals = [
        common.Goal(
            f"seconds of 'orch submit', {large:,} tasks,",
            submitted[large]["command_s"],
            MAX_SUBMIT_S,
            True,
        ),
        common.Goal(
            f"ms a task over Celery, {large:,} tasks,",
            statistics.median(each[str(large)]["ms"] - each["celery"]["ms"] for each in rounds),
            MAX_OVER_CELERY_MS,
            True,
        ),
        common.Goal(
            f"growth from {small:,} to {large:,} tasks",
            statistics.median(each[str(large)]["ms"] / each[str(small)]["ms"] for each in rounds),
            MAX_GROWTH,
            True,
        ),
    ]
    return common.publish(
        "The cost of a plan",
        common.table(head, rows),
        goals,
        {"submit": submitted, "rounds": rounds},
        path,
        check,
    )


if __name__ == "__main__":
    sys.exit(main())
