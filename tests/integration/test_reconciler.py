"""What the reconciler of a worker enqueues, and when an idle worker leaves."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from kombu.entity import Queue
from support.fake_worker import behave, fake_worker, saved_run
from support.peer_heartbeats import heartbeat_of

from jobs import atomic, readiness
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers.execution import execute
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker
from workers.reconciler import Reconciler
from workers.scheduling.handover import Handover
from workers.worker import Worker


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with two periods, saved in a store."""
    return saved_run(Store(tmp_path / "store").open(create=True))


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker whose children do the fake work."""
    return fake_worker(Store(tmp_path / "store").open(create=True), redis_url)


def test_tending_sends_what_the_queue_has_lost(worker: Worker, run: Run) -> None:
    """With an empty queue an idle worker rings for the ready task; not again while the message
    waits.
    """
    drain(worker)
    reconciler = Reconciler(worker)
    first, second = reconciler.round(), reconciler.round()

    assert [task.id for task in first] == [run.tasks[0]]
    assert second == []
    assert broker.queue_length(worker.broker_url, store=worker.store_id) == 1
    assert (worker.store.root / "workers" / "w1.json").exists()


def test_a_worker_that_still_loads_signs_and_does_no_more(worker: Worker, run: Run) -> None:
    """It enqueues nothing, is not idle for its peers, and does not exit for being idle."""
    drain(worker)
    reconciler, leave = Reconciler(worker), threading.Event()
    worker.loading, worker.idle_since = True, time.monotonic() - 1000
    sent = reconciler.round()
    sign = json.loads((worker.store.root / "workers" / "w1.json").read_text())
    threading.Timer(3.0, leave.set).start()
    began = time.monotonic()
    reconciler.forever(0.0, leave)

    assert sent == []
    assert sign["busy"]
    assert time.monotonic() - began > 2.5
    worker.loading = False
    assert [task.id for task in reconciler.round()] == [run.tasks[0]]
    assert not json.loads((worker.store.root / "workers" / "w1.json").read_text())["busy"]


def test_a_paused_worker_sends_no_message_that_it_would_drop(worker: Worker, run: Run) -> None:
    """On a full disk the same messages would go round, and bury all others in Flower."""
    drain(worker)
    reconciler = Reconciler(worker)
    worker.pause.longer("the disk is full")
    paused = reconciler.round()
    left = broker.queue_length(worker.broker_url, store=worker.store_id)
    worker.pause.over()

    assert paused == []
    assert left == 0
    assert [task.id for task in reconciler.round()] == [run.tasks[0]]


def test_tending_leaves_held_tasks_and_ended_runs_alone(worker: Worker, run: Run) -> None:
    """A valid lease keeps other workers away. A run without open tasks is not scanned again."""
    drain(worker)
    lease = LeaseTracker(worker.store).claim(Task.parse(run.tasks[0]).lease_key, "another")
    reconciler = Reconciler(worker)
    held = reconciler.round()
    assert lease is not None
    lease.release()
    while ready := readiness.ready_tasks(worker.store, run):
        execute.execute(worker, ready[0].id)
    drain(worker)
    ended = reconciler.round()

    assert held == ended == []
    assert len(reconciler.ended) == 1


def test_when_the_data_is_ready_the_training_begins_on_the_fastest_idle_worker(
    worker: Worker, run: Run
) -> None:
    """It is put into that worker's own queue; the worker that prepared the data would take ten
    times as long.
    """
    drain(worker)
    kind, store = worker.placement.handover.kind_of(Task("train", run.trials[0], 3)), worker.store
    fast = Handover(store, "fast", "host", "cuda:0", None)
    worker.placement.handover.rates, fast.rates = {kind: 10.0}, {kind: 100.0}
    for at in (1.0, 2.0):
        atomic.write_json(store.root / "workers" / "fast.json", heartbeat_of(fast, at))
        worker.placement.peers.peers()
    worker.placement.peers._images[run.data] = 1000.0  # the fake work counts none
    done = execute.execute(worker, run.tasks[0])

    assert done == "done"
    assert (
        mailed(worker, "fast"),
        broker.queue_length(worker.broker_url, store=worker.store_id),
    ) == (1, 0)


def mailed(worker: Worker, to: str) -> int:
    """How many messages wait for one worker."""
    with broker.connected(worker.broker_url, 3.0) as channel:
        return int(
            Queue(broker.worker_queue(to, worker.store_id))(channel)
            .queue_declare(passive=True)
            .message_count
        )


def drain(worker: Worker) -> None:
    """Empty the queue."""
    with broker.connected(worker.broker_url, 3.0) as channel:
        channel.client.flushall()


def test_an_idle_worker_stays_as_long_as_a_task_waits_for_its_next_try(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short `--idle-exit` is. It exits when no failed task waits for a retry."""
    monkeypatch.setattr("workers.reconciler.RECONCILE_S", 0.1)
    monkeypatch.setattr("workers.reconciler.LEAST_IDLE_S", 0.5)
    behave(worker, "full well")
    reconciler, leave = Reconciler(worker), threading.Event()
    ended = execute.execute(worker, run.tasks[0])
    rounds = threading.Thread(target=reconciler.forever, args=(0.1, leave), daemon=True)
    rounds.start()
    stayed = not leave.wait(1.5)
    worker.store.cancel(run.name)
    left = leave.wait(10)
    leave.set()
    rounds.join(10)

    assert ended == "failed"
    assert stayed
    assert left
