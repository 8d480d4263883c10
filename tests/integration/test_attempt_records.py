"""The records of attempts: closed for the dead, forgiven when torn or edited."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.fake_worker import fake_worker, saved_run

from jobs import atomic
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers.execution import attempts, execute
from workers.worker import Worker


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one backbone with two periods, saved in a store."""
    return saved_run(Store(tmp_path / "store").open(create=True))


@pytest.fixture
def worker(tmp_path: Path, redis_url: str) -> Worker:
    """A worker whose children do the fake work."""
    return fake_worker(Store(tmp_path / "store").open(create=True), redis_url)


def test_a_task_that_lost_its_worker_is_recorded_as_lost(worker: Worker, run: Run) -> None:
    """The worker that claims the lease closes the attempt of the dead worker."""
    task = Task.parse(run.tasks[0])
    attempts.begin(
        attempts.read_history(worker.store, task),
        {"worker": "dead", "host": "h", "device": "cpu", "run": run.name},
    )
    execute.execute(worker, task.id)

    states = [(r.worker, r.state, r.failure) for r in attempts.records(worker.store, task)]
    assert states == [("dead", "lost", "worker-lost"), ("w1", "done", None)]


def test_an_attempt_that_was_lost_ended_when_it_was_last_heard_of(worker: Worker, run: Run) -> None:
    """Nobody noticed for an hour: that was no work. Nor is it time in the queue for the next
    attempt.
    """
    store, task, now = worker.store, Task.parse(run.tasks[0]), time.time()
    who = {"worker": "w0", "queued_at": now - 4000}
    atomic.write_json(
        store.attempts_folder(task) / "0001.json",
        {
            "task": task.id,
            "kind": "prepare",
            "attempt": 1,
            "state": "running",
            "failure": None,
            "started_at": now - 3700,
            "finished_at": None,
            "position": "",
            **who,
        },
    )
    atomic.write_json(
        store.progress_path(task), {"attempt": 1, "worker": "w0", "device": "cpu", "at": now - 3600}
    )
    second = attempts.begin(
        attempts.read_history(store, task), {"worker": "w1", "queued_at": now - 4000}
    )
    first, _ = attempts.records(store, task)

    assert first.state == "lost"
    assert first.finished_at == now - 3600
    assert second.record.queued_at == now - 3600


@pytest.mark.parametrize("ended", ["yesterday", [], {}, None])
def test_a_record_whose_end_is_no_time_keeps_no_attempt_from_beginning(
    worker: Worker, run: Run, ended: object
) -> None:
    """A user may have edited it."""
    store, task = worker.store, Task.parse(run.tasks[0])
    atomic.write_json(
        store.attempts_folder(task) / "0001.json",
        {
            "task": task.id,
            "kind": "prepare",
            "attempt": 1,
            "state": "stopped",
            "failure": "stopped",
            "worker": "w0",
            "started_at": 1.0,
            "finished_at": ended,
            "position": "",
            "queued_at": 1.0,
        },
    )

    assert execute.execute(worker, task.id) == "done"


def test_torn_records_of_attempts_are_counted_and_forgiven(worker: Worker, run: Run) -> None:
    """A truncated record keeps its number and does not count as a failure."""
    task = Task.parse(run.tasks[0])
    worker.store.attempts_folder(task).mkdir(parents=True)
    for number, text in enumerate(('{"att', "[]", "{}"), 1):
        (worker.store.attempts_folder(task) / f"{number:04d}.json").write_text(text)
    state = execute.execute(worker, task.id)

    assert state == "done"
    assert [(r.attempt, r.state) for r in attempts.records(worker.store, task)] == [
        (1, "lost"),
        (2, "lost"),
        (3, "lost"),
        (4, "done"),
    ]
