"""File operations of workers on a large fleet's store: `python benchmarks/store_operations.py`.

One real idle worker and one real busy one work in a store of 10,000 tasks beside 499 others, of
which only heartbeats, leases and progress are simulated: a process renews them as workers do. Each
call to open, list, stat, rename, link or remove below the store counts as one operation; those of
the child that trains do not. The broker is a real Redis.

Goals at 500 workers: at most 2 operations a second for the idle worker and 5 for the busy one.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common

from jobs import atomic
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store import codec
from jobs.store.records import HeartbeatRecord, LeaseRecord, RunningTraining, TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.local import embedded_redis
from orchestrator.submission.run_creation import create_run
from workers.devices.discovery import Device
from workers.execution import execute
from workers.lease_expiry import LeaseTracker
from workers.messaging import messages
from workers.process import child
from workers.reconciler import Reconciler
from workers.worker import Worker

MAX_IDLE, MAX_BUSY = 2.0, 5.0
BACKBONES = ("scratch", "alexnet", "squeezenet", "squeezenet-finetuned", "resnet34")
RENEW_S = 2.0
ENTRY = "store_operations:work"
EVENTS = {"open", "os.listdir", "os.scandir", "os.rename", "os.link", "os.remove", "os.mkdir"}


def main() -> int:
    """Measure each size of fleet, print the table and the goals, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 50, 500])
    parser.add_argument("--trials", type=int, default=1665, help="of 6 tasks each  [default: 1665]")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured  [default: 60]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    options = parser.parse_args()
    figures = {
        number: measure(number, options.trials, options.seconds) for number in options.workers
    }
    rows = [
        [
            number,
            each["idle"],
            each["busy"],
            _most(each["idle_by_kind"]),
            _most(each["busy_by_kind"]),
        ]
        for number, each in figures.items()
    ]
    largest = figures[max(figures)]
    goals = [
        common.Goal("operations a second, idle", largest["idle"], MAX_IDLE, at_most=True),
        common.Goal("operations a second, busy", largest["busy"], MAX_BUSY, at_most=True),
    ]
    return common.publish(
        f"Operations on the store, {6 * options.trials + 1:,} tasks, {options.seconds:.0f} s each",
        common.table(["workers", "idle, 1/s", "busy, 1/s", "idle, most", "busy, most"], rows),
        goals,
        {str(number): each for number, each in figures.items()},
        options.json,
        options.check,
    )


def _most(by_kind: dict[str, float]) -> str:
    return ", ".join(f"{kind} {rate:.2g}" for kind, rate in list(by_kind.items())[:5])


@dataclass
class Counts:
    """Operations below a folder, by what and which part of the store, while `on`."""

    root: str
    on: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def watch(self) -> None:
        """Count from now on whatever this process does; cannot be undone."""
        sys.addaudithook(self._on_event)
        for name in ("stat", "lstat", "access"):  # of which there are no events
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and arguments:
            self._count(event.removeprefix("os."), arguments[0])

    def _counted(self, name: str, real: Any) -> Any:
        def call(path: Any, *more: Any, **options: Any) -> Any:
            self._count(name, path)
            return real(path, *more, **options)

        return call

    def _count(self, what: str, path: Any) -> None:
        if self.on and isinstance(path, (str, os.PathLike)):
            text = os.fspath(path)
            if isinstance(text, str) and text.startswith(self.root):
                part = text.removeprefix(self.root).strip("/").split("/")[0]
                self.seen[f"{what} {part}"] += 1


def measure(workers: int, trials: int, seconds: float) -> dict[str, Any]:
    """Operations a second of an idle and of a busy worker, each in a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    figures: dict[str, Any] = {}
    try:
        common.say(f"making a store for {workers} workers")
        store, run = _make(folder / "store", trials)
        with _redis(folder) as url, _simulated(store, run, workers - 1):
            for kind in ("idle", "busy"):
                common.say(f"{workers} workers: {kind}")
                command = multiprocessing.get_context("spawn")
                receiver, sender = command.Pipe(duplex=False)
                asked = (str(store.root), url, kind, workers, seconds, sender)
                process = command.Process(target=work_and_count, args=asked)
                process.start()
                sender.close()  # so that the end of a process that failed is noticed
                counted = receiver.recv()
                process.join()
                rates = {key: number / seconds for key, number in counted.most_common()}
                figures |= {kind: sum(rates.values()), f"{kind}_by_kind": rates}
    finally:
        common.say("")
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def _make(root: Path, trials: int) -> tuple[Store, Run]:
    """A store with one run whose images are prepared."""
    store = Store(root).open(create=True)
    spec = model.build(
        {"backbones": list(BACKBONES), "seeds": trials // len(BACKBONES), "name": "large"}
    )
    run = create_run(store, spec, built_in("digits"))
    prepared = TaskResult(
        images=1000, classes={"a": {"train": 700, "validation": 100, "test": 200}}
    )
    atomic.write_json(store.done_path(Task("prepare", run.data)), codec.encode(prepared))
    return store, run


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    server = embedded_redis.start(folder, embedded_redis.socket_path(folder))
    try:
        yield server.url
    finally:
        server.stop(5.0)


@contextlib.contextmanager
def _simulated(store: Store, run: Run, number: int) -> Iterator[None]:
    """Other workers, all training: their heartbeats and leases are renewed every two seconds."""
    command = multiprocessing.get_context("spawn")
    over = command.Event()
    process = command.Process(target=simulate, args=(str(store.root), run.trials[:number], over))
    process.start()
    try:
        time.sleep(5)
        yield
    finally:
        over.set()
        process.join()


def simulate(root: str, trials: tuple[str, ...], over: Any) -> None:
    """Renew heartbeat, lease and progress of one worker for each trial, spread over the time."""
    store, beats = Store(Path(root)), 0
    while not over.is_set():
        began = time.monotonic()
        for number, trial in enumerate(trials):
            _renew(store, Task("train", trial, 10), f"far-{number:04d}", beats)
            if number % 25 == 24:
                over.wait(max(0.0, began + RENEW_S * number / len(trials) - time.monotonic()))
        beats += 1
        over.wait(max(0.0, began + RENEW_S - time.monotonic()))


def _renew(store: Store, task: Task, name: str, beats: int) -> None:
    heartbeat = HeartbeatRecord(
        name=name,
        host=name,
        pid=1,
        device="cuda:0",
        task=task.id,
        tasks=(task.id,),
        at=time.time(),
        model="a GPU",
        rates={"scratch@64": 2000.0},
        training=RunningTraining(task.id, "scratch@64", 1e6 - beats),
    )
    lease = store.lease_folder(task.lease_key) / "00000001.json"
    atomic.write_json(store.heartbeat_path(name), codec.encode(heartbeat), durable=False)
    record = codec.encode(LeaseRecord(holder=name, beats=beats))
    atomic.write_json(lease, record, durable=False)


def work_and_count(
    root: str, url: str, kind: str, workers: int, seconds: float, sender: Any
) -> None:
    """Be a worker, idle or busy, and count its operations once it has settled."""
    store, leave = Store(Path(root)), threading.Event()
    worker = Worker(
        store, url, f"{kind}-1", "here", Device("cpu", "cpu", "", 1), None, LeaseTracker(store)
    )
    worker.entry = ENTRY
    if kind == "idle":  # ready tasks are there, but none arrives
        worker.begin = lambda task: False
        worker.admission.slots = 1
        messages.enqueue(url, [Task("train", "x-s0-00000000", 1)], store=worker.store_id)
    counts = Counts(root)
    counts.watch()
    child.start_fork_server()
    child.warm(leave, ENTRY)
    threading.Thread(target=Reconciler(worker).forever, args=(None, leave), daemon=True).start()
    if kind == "busy":
        run = store.load_run("large")
        task = Task("train", run.trials[workers + 1], 10)
        threading.Thread(target=execute.execute, args=(worker, task.id), daemon=True).start()
    time.sleep(15)
    counts.on = True
    time.sleep(seconds)
    counts.on = False
    sender.send(counts.seen)
    worker.stop.set()
    leave.set()
    time.sleep(1)


def work(request: dict[str, Any], tell: Any, should_stop: Any) -> dict[str, Any]:
    """A child's training: it says twice a second how far it is, and stops when asked."""
    for step in range(100_000):
        if should_stop():
            break
        tell(
            {"phase": "train", "done": step, "total": 100_000, "epoch": 1, "images_per_second": 9.0}
        )
        time.sleep(0.5)
    return {"files": {}, "epoch": 10}


if __name__ == "__main__":
    sys.exit(main())
