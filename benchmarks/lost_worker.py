"""How long the task of a dead worker waits in a large fleet: `python benchmarks/lost_worker.py`.

Of 500 workers on 500 trials (10,000 tasks) one is dead, one is idle, and the rest train: the end of
a study, when nothing else is ready. The heartbeats and leases of most are simulated, as in
`store_operations.py`. Of those that watch the dead worker's lease within the next minutes, the 12
that tell others first are real reconcilers without a free slot. The idle worker is real too: it
gets the messages and reads the ledger. Measured from the last renewal of the lease until the idle
worker has begun an attempt, and how many messages it got that began nothing. Goal: at most a
minute.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import common
import kombu
import store_operations
from store_operations import BACKBONES, _redis, _renew, _simulated

from jobs import atomic
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store import codec
from jobs.store.records import TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission.run_creation import create_run
from workers import heartbeat
from workers.devices.admission import Requirement
from workers.devices.discovery import Device
from workers.execution import execute
from workers.execution.attempts import records
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker
from workers.process import child
from workers.reconciler import Reconciler
from workers.scheduling.peers import MAX_WAITING, SHARE_S, Peers
from workers.worker import Worker

MAX_WAIT_S, PATIENCE_S, SETTLE_S = 60.0, 180.0, 30.0
MINUTES = 3
MAX_REAL = 12
DEAD = "dead"


def main() -> int:
    """Measure each turn, print the table and the goal, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=500, help="at least 10  [default: 500]")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    try:
        store, run = _make(folder / "store", options.workers)
        others = len(run.trials) - options.repeats  # every trial is some worker's
        with _redis(folder) as url, _simulated(store, run, others):
            waits, unused = measure(store, run, url, options)
    finally:
        common.say("")
        shutil.rmtree(folder, ignore_errors=True)
    return common.publish(
        f"Task of a dead worker, {options.workers} workers, {20 * options.workers + 1:,} tasks",
        common.table(
            ["turn", "begun after, s", "messages that began nothing"],
            [[turn, *each] for turn, each in enumerate(zip(waits, unused, strict=True), 1)],
        ),
        [common.Goal("seconds, worst", max(waits), MAX_WAIT_S, at_most=True)],
        {"seconds": waits, "unused_messages": unused},
        options.json,
        options.check,
    )


def _make(root: Path, trials: int) -> tuple[Store, Run]:
    """A store with one run of so many trials, each of 20 tasks, whose images are prepared."""
    store = Store(root).open(create=True)
    seeds = trials // len(BACKBONES)
    spec = model.build(
        {"backbones": list(BACKBONES), "seeds": seeds, "periods": 10, "name": "large"}
    )
    run = create_run(store, spec, built_in("digits"))
    prepared = TaskResult(
        images=1000, classes={"a": {"train": 700, "validation": 100, "test": 200}}
    )
    atomic.write_json(store.done_path(Task("prepare", run.data)), codec.encode(prepared))
    return store, run


def measure(
    store: Store, run: Run, url: str, options: argparse.Namespace
) -> tuple[list[float], list[int]]:
    """Seconds until each of some dead workers' tasks is begun, in a process of their own.

    And the messages that began nothing meanwhile.
    """
    dead = [Task("train", trial, 10) for trial in run.trials[-options.repeats :]]
    for task in dead:
        _renew(store, task, DEAD, 0)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=fleet, args=(str(store.root), url, dead, sender))
    process.start()
    sender.close()
    waits, unused = receiver.recv()
    process.join()
    return waits, unused


def fleet(root: str, url: str, dead: list[Task], answer: Any) -> None:
    """The real workers; sends how long each of these tasks waited."""
    store, watching, waits, unused = Store(Path(root)), set[str](), list[float](), list[int]()
    child.start_fork_server()
    child.warm(threading.Event(), store_operations.ENTRY)
    for number, task in enumerate(dead):
        common.say(f"dead worker {number + 1} of {len(dead)}")
        idle, states = _worker(store, url, f"idle-{number}"), list[str]()
        idle.begin = partial(_begin, idle, states)
        heartbeat.write(idle)
        _renew_all(store, dead[number:], number)
        for name in [each for each in watchers(store, task) if each not in watching][:MAX_REAL]:
            watching.add(name)
            full = _worker(store, url, name)
            full.admission.enter(f"train.{name}-s0-00000000.0010", Requirement, lambda: True)
            _reconcile(full)
        _reconcile(idle)
        threading.Thread(target=_receive, args=(idle, states, task), daemon=True).start()
        for beats in range(int(SETTLE_S / store_operations.RENEW_S)):
            _renew_all(store, dead[number:], beats)
            time.sleep(store_operations.RENEW_S)
        states.clear()
        began, beats = time.monotonic(), 0
        while not _begun(idle, task) and time.monotonic() < began + PATIENCE_S:
            if time.monotonic() > began + beats * store_operations.RENEW_S:
                beats += 1
                _renew_all(store, dead[number + 1 :], beats)  # their turn comes later
            time.sleep(0.1)
        waits.append(time.monotonic() - began)
        unused.append(len(states))
        common.say(f"begun after {waits[-1]:.0f} s; a look takes {_look_s(idle):.2f} s")
    answer.send((waits, unused))
    os._exit(0)  # children go with their worker


def _renew_all(store: Store, tasks: list[Task], beats: int) -> None:
    """Renew the leases of the workers that are to die."""
    for task in tasks:
        _renew(store, task, DEAD, beats)


def watchers(store: Store, task: Task) -> list[str]:
    """The workers that watch a lease now or in the minutes to come, in the order of their turns."""
    peers = Peers(store)
    peers.peers(waiting=MAX_WAITING + 1)
    names = [name.removesuffix(".json") for name in peers._names]
    keys = atomic.list_names(store.leases_folder)
    minutes = [time.time() + step * SHARE_S for step in range(MINUTES)]
    turns = {
        name: min(peers.turn_of(name, task.lease_key, lambda at=at: at) for at in minutes)
        for name in names
        if name.startswith("far-")
        and any(task.lease_key in peers.share_of(name, keys, lambda at=at: at) for at in minutes)
    }
    return sorted(turns, key=lambda name: turns[name])


def _look_s(worker: Worker) -> float:
    """Seconds of one look at the ledger: longer looks are made less often (2% of the time)."""
    reconciler = Reconciler(worker)
    return common.timed(reconciler._find_unheld_tasks)


def _worker(store: Store, url: str, name: str) -> Worker:
    device = Device("cpu", "cpu", "", 1)
    worker = Worker(store, url, name, name, device, None, LeaseTracker(store))
    worker.entry = store_operations.ENTRY
    return worker


def _reconcile(worker: Worker) -> None:
    loop = partial(Reconciler(worker).forever, None, threading.Event())
    threading.Thread(target=loop, daemon=True).start()


def _begun(worker: Worker, task: Task) -> bool:
    """Whether an attempt of this worker is on record; a message alone may find the lease held."""
    return any(record.worker == worker.name for record in records(worker.store, task))


def _begin(worker: Worker, states: list[str], task: Task) -> bool:
    """Begin a task in a thread of its own, as a worker's slot does; notes how a message ended."""

    def run() -> None:
        states.append(execute.execute(worker, task.id))

    threading.Thread(target=run, daemon=True).start()
    return True


def _receive(worker: Worker, states: list[str], lost: Task) -> None:
    """Take messages of the common queue one by one, as Celery's worker does while it is idle."""
    with broker.connected(worker.broker_url, 10.0) as channel:
        queue = kombu.Queue(broker.common_queue(worker.store_id), no_declare=True)(channel)
        while not _begun(worker, lost):
            if (message := queue.get(no_ack=True)) is None:
                time.sleep(0.2)
            elif (task := message.payload[0][0]).startswith("train."):
                _begin(worker, states, Task.parse(task))
                time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
