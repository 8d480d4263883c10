"""A worker of a larger fleet dies at a task, and an idle one that never watched its lease gets it.

Three workers are real; 14 others are heartbeats, and leases that are renewed. That is enough for
each worker to watch a share of the leases only, as 500 do (`benchmarks/lost_worker.py`).
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.harness import redis_binary
from support.large_fleet import sign, study
from support.quick_scene import Scene

from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers.execution.attempts import records
from workers.lease import RENEW_S, Lease
from workers.lease_expiry import LeaseTracker
from workers.scheduling.peers import SHARE_S, Peers

pytestmark = [
    pytest.mark.long,
    pytest.mark.whole,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here"),
]
FAR = 14
LOST, FULL, IDLE = "w0", "w1", "w2"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A broker, and a store whose trainings last longer than the test."""
    made = Scene(tmp_path, seconds=300)
    Store(made.store.root).open(create=True)
    yield made
    made.close()


def chosen(store: Store, run: Run) -> str:
    """A trial whose lease the full worker watches now and later, and the idle one hardly."""
    keys = sorted(Task("train", trial, 1).lease_key for trial in run.trials)
    peers, now = Peers(store), time.time()
    peers._names = [
        f"{name}.json" for name in (*(f"w{n:03d}" for n in range(FAR)), LOST, FULL, IDLE)
    ]

    def watched(worker: str, key: str) -> int:
        minutes = (now, now + SHARE_S)
        return sum(key in peers.share_of(worker, keys, lambda at=at: at) for at in minutes)

    def order(trial: str) -> tuple[int, int]:
        key = Task("train", trial, 1).lease_key
        return watched(FULL, key), -watched(IDLE, key)

    return max(run.trials, key=order)


def renewed(leases: list[Lease], over: threading.Event) -> None:
    """Renew the leases of the workers that are not real."""
    while not over.wait(RENEW_S):
        for lease in leases:
            lease.renew()


def test_an_idle_worker_gets_a_lost_workers_task_whose_lease_it_did_not_watch(scene: Scene) -> None:
    """The full one sees the lease expire and enqueues the task; who gets the message watches it."""
    store, over = scene.store, threading.Event()
    run = study(store)
    lost = Task("train", chosen(store, run), 1)
    others = [Task("train", trial, 1) for trial in run.trials if trial != lost.subject]
    claims = [LeaseTracker(store).claim(task.lease_key, "far") for task in others]
    leases = [lease for lease in claims if lease is not None]
    sign(store, FAR, time.time())
    held = leases.pop()
    threading.Thread(target=renewed, args=(leases, over), daemon=True).start()

    def at(task: Task) -> list[str | None]:
        return [record.worker for record in records(store, task)]

    scene.worker()
    scene.until(lambda: at(lost) == [LOST], what="the task on the worker that will die")
    held.release()
    scene.worker()
    scene.until(lambda: at(others[-1]) == [FULL], what="a task on the worker that will watch")
    scene.worker()
    scene.until(scene.all_receive, what="the idle worker")
    scene.workers[0].send_signal(signal.SIGKILL)
    took_s = scene.until(lambda: at(lost) == [LOST, IDLE], 60, "the task on the idle worker")
    over.set()

    assert took_s > 2
