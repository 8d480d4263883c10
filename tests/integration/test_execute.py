"""What a worker does with a message, on a real store and a real queue."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from pathlib import Path

import pytest
from support.fake_worker import behave, fake_worker, saved_run

from jobs import atomic, readiness
from jobs.errors import LeaseLost
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers import lease
from workers.execution import attempts, execute
from workers.execution.context import task_context
from workers.execution.failures import settle_failure
from workers.lease_expiry import LeaseTracker
from workers.worker import Worker


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with two periods, saved in a store."""
    return saved_run(Store(tmp_path / "store").open(create=True))


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker whose children do the fake work."""
    return fake_worker(Store(tmp_path / "store").open(create=True), redis_url)


def test_a_run_is_done_task_by_task_as_each_becomes_ready(worker: Worker, run: Run) -> None:
    """Data first, then training. The evaluation of a target epoch and the next training become
    ready together.
    """
    trial = run.trials[0]
    order = []
    while ready := readiness.ready_tasks(worker.store, run):
        order.append([task.id for task in ready])
        assert execute.execute(worker, ready[-1].id) == "done"

    assert order == [
        [f"prepare.{run.data}.0000"],
        [f"train.{trial}.0003"],
        [f"evaluate.{trial}.0003", f"train.{trial}.0006"],
        [f"evaluate.{trial}.0003", f"evaluate.{trial}.0006"],
        [f"evaluate.{trial}.0003"],
    ]
    assert set(readiness.task_states(worker.store, run).values()) == {"done"}
    rows = tables.read_rows(worker.store.root, "attempts", [trial]).to_pylist()
    assert sorted((row["task"], row["attempt"], row["state"]) for row in rows) == sorted(
        (task, 1, "done") for task in run.tasks if not task.startswith("prepare")
    )
    assert all(row["queued_at"] <= row["started_at"] <= row["finished_at"] for row in rows)


def test_doubled_late_and_foolish_messages_change_nothing(worker: Worker, run: Run) -> None:
    """The receiver checks the ledger: not ready, already done, or not a task at all."""
    first = run.tasks[0]
    early = execute.execute(worker, run.tasks[1])
    once, twice = execute.execute(worker, first), execute.execute(worker, first)
    words = ("", "train", "train.../../etc.0001", "train.nobody.0001", "x" * 9999)
    foolish = [execute.execute(worker, word) for word in words]

    assert (early, once, twice) == ("not ready", "done", "not ready")
    assert foolish == ["refused", "refused", "refused", "not ready", "refused"]
    assert len(attempts.records(worker.store, Task.parse(first))) == 1


def test_a_task_held_by_a_living_worker_is_left_alone(worker: Worker, run: Run) -> None:
    """The lease decides, not the message."""
    task = Task.parse(run.tasks[0])
    lease = LeaseTracker(worker.store).claim(task.lease_key, "another")
    held = execute.execute(worker, task.id)
    assert lease is not None
    lease.release()

    assert held == "held"
    assert execute.execute(worker, task.id) == "done"


def test_a_lease_is_kept_while_a_large_result_is_published(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum of a large data set takes longer than a lease lasts. No other worker starts the
    task meanwhile.
    """
    folder, digest, beats = (
        worker.store.lease_folder(Task.parse(run.tasks[0]).lease_key),
        atomic.file_digest,
        [0],
    )

    def slow(path: Path) -> str:
        until = time.monotonic() + 20
        while beats[-1] < 3 and time.monotonic() < until:
            time.sleep(0.01)
            with contextlib.suppress(ValueError):  # it is just being written
                beats.append(atomic.read_json(folder / "00000001.json")["beats"])
        return digest(path)

    monkeypatch.setattr(atomic, "file_digest", slow)
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "_KEEPER", lease._Keeper())
    done = execute.execute(worker, run.tasks[0])

    assert done == "done"
    assert beats[-1] >= 3
    assert atomic.read_json(folder / "00000001.json")["released"]


def test_a_stopped_worker_hands_its_task_back_at_once(worker: Worker, run: Run) -> None:
    """Stopping is not a failure: the lease is released and the task is ready again."""
    behave(worker, "slow")
    worker.stop = Soon(0.5)
    state = execute.execute(worker, run.tasks[0])

    assert state == "stopped"
    assert LeaseTracker(worker.store).free(Task.parse(run.tasks[0]).lease_key)
    assert readiness.ready_tasks(worker.store, run)


def test_who_lost_the_lease_leaves_what_the_next_one_says(worker: Worker, run: Run) -> None:
    """Only the holder of the task may remove its progress record."""
    task = Task.parse(run.tasks[0])
    begun = attempts.begin(attempts.read_history(worker.store, task), {"worker": "w1"})
    lease = worker.leases.claim(task.lease_key, "w1")
    atomic.claim_json(worker.store.lease_folder(task.lease_key) / "00000002.json", {"holder": "w2"})
    atomic.write_json(worker.store.progress_path(task), {"attempt": 2, "worker": "w2"})
    assert lease is not None
    state = settle_failure(task_context(worker, task), begun, LeaseLost("lost"), lease)

    assert state == "lost"
    assert worker.store.progress_path(task).exists()


def test_what_was_stopped_is_not_shown_as_running(worker: Worker, run: Run) -> None:
    """A worker that stopped has removed its progress records."""
    behave(worker, "slow")
    threading.Timer(1.0, worker.stop.set).start()
    state = execute.execute(worker, run.tasks[0])

    assert state == "stopped"
    assert not worker.store.progress_path(Task.parse(run.tasks[0])).exists()


class Soon(threading.Event):
    """An event that is set after a while."""

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self.at = time.monotonic() + after_s

    def is_set(self) -> bool:
        return time.monotonic() > self.at


def test_a_cancelled_run_stops_its_child_and_can_be_taken_up_again(
    worker: Worker, run: Run
) -> None:
    """Cancelling makes no task ready and stops the child. Reopening continues where the run
    stopped.
    """
    behave(worker, "slow")
    threading.Timer(0.3, worker.store.cancel, [run.name]).start()
    began = time.monotonic()
    state = execute.execute(worker, run.tasks[0])
    took_s = time.monotonic() - began
    while_cancelled = (
        readiness.ready_tasks(worker.store, run),
        execute.execute(worker, run.tasks[0]),
    )
    states = set(readiness.task_states(worker.store, run).values())
    worker.store.reopen(run)

    assert state == "stopped"
    assert took_s < 10
    assert while_cancelled == ([], "not ready")
    assert states == {"cancelled"}
    assert execute.execute(worker, run.tasks[0]) == "done"


def test_cancelling_a_longer_run_stops_it_though_a_shorter_one_has_the_same_trial(
    worker: Worker, run: Run
) -> None:
    """A finished run of six epochs does not need the ninth."""
    store = worker.store
    longer = dataclasses.replace(
        run, name="longer", spec=run.spec.model_copy(update={"periods": 3})
    )
    store.save_trial(store.load_trial(run.trials[0]), [9], "longer")
    store.save_run(longer)
    sixth, ninth = (Task("train", run.trials[0], epoch) for epoch in (6, 9))
    before = (store.wanted_by(sixth), store.wanted_by(ninth))
    store.cancel("longer")

    assert [[r.name for r in wanting] for wanting in before] == [[run.name, "longer"], ["longer"]]
    assert ([r.name for r in store.wanted_by(sixth)], store.wanted_by(ninth)) == ([run.name], [])
