"""What follows a failed attempt: another attempt, a pause of the worker, or giving the task up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec import structs
from support.fake_worker import behave, fake_worker, saved_run

from jobs import atomic, readiness
from jobs.store import codec
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


def test_a_child_that_dies_is_tried_again_and_the_attempts_are_on_record(
    worker: Worker, run: Run
) -> None:
    """A lost child costs an attempt, not the task."""
    behave(worker, "die well")
    first = execute.execute(worker, run.tasks[0])
    at_once = execute.execute(worker, run.tasks[0])
    time.sleep(2.1)
    later = execute.execute(worker, run.tasks[0])

    assert (first, at_once, later) == ("failed", "not ready", "done")
    states = [
        (r.state, r.failure) for r in attempts.records(worker.store, Task.parse(run.tasks[0]))
    ]
    assert states == [("failed", "worker-lost"), ("done", None)]


def test_a_final_failure_stops_the_trial_and_nothing_else(worker: Worker, run: Run) -> None:
    """A loss that is not finite is not retried; tasks that depend on it are blocked."""
    execute.execute(worker, run.tasks[0])
    behave(worker, "bad")
    execute.execute(worker, run.tasks[1])
    failed = worker.store.failed(Task.parse(run.tasks[1]))

    assert failed is not None
    assert failed.failure == "loss-not-finite"
    assert "epoch 1, step 3" in failed.message
    assert list(readiness.task_states(worker.store, run).values()) == [
        "done",
        "failed",
        "blocked",
        "blocked",
        "blocked",
    ]
    assert readiness.ready_tasks(worker.store, run) == []


def test_after_five_failures_a_task_is_given_up(
    worker: Worker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that kills every child is quarantined."""
    monkeypatch.setattr(attempts.History, "must_wait", lambda history: False)
    behave(worker, "die " * 9)
    ends = [execute.execute(worker, run.tasks[0]) for _ in range(7)]

    assert ends == ["failed"] * 5 + ["not ready"] * 2
    why = worker.store.failed(Task.parse(run.tasks[0]))
    assert why is not None
    assert "last of 5 attempts" in why.message


def test_a_full_disk_uses_up_no_attempts_and_is_tried_again_ever_more_seldom(
    worker: Worker, run: Run
) -> None:
    """A full disk is nobody's failure: the pauses grow, and nothing is quarantined."""
    behave(worker, "full " * 3 + "well")
    ends, pauses = [], []
    for _ in range(3):
        ends.append(execute.execute(worker, run.tasks[0]))
        record = attempts.records(worker.store, Task.parse(run.tasks[0]))[-1]
        atomic.write_json(
            worker.store.attempts_folder(Task.parse(run.tasks[0])) / f"{record.attempt:04d}.json",
            codec.encode(structs.replace(record, finished_at=(record.finished_at or 0.0) - 7.0)),
        )
        pauses.append(attempts.read_history(worker.store, Task.parse(run.tasks[0])).must_wait())

    assert ends == ["failed"] * 3
    assert pauses == [False, False, True]
    assert attempts.read_history(worker.store, Task.parse(run.tasks[0])).counted_failures() == []
    assert worker.store.failed(Task.parse(run.tasks[0])) is None


def test_a_worker_whose_gpu_fails_leaves_the_work_to_others_for_a_while(
    worker: Worker, run: Run
) -> None:
    """It would otherwise be the first to take retried tasks, and use up the attempts of all of
    them.
    """
    other = fake_worker(worker.store, worker.broker_url, "w2")
    behave(worker, "broken")
    failed, declined = execute.execute(worker, run.tasks[0]), execute.execute(worker, run.tasks[0])
    waits = attempts.read_history(worker.store, Task.parse(run.tasks[0])).must_wait()
    time.sleep(2.1)
    done = execute.execute(other, run.tasks[0])
    record = attempts.records(worker.store, Task.parse(run.tasks[0]))[0]

    assert (failed, declined, waits, done) == ("failed", "paused", True, "done")
    assert record.failure == "device-failed"
    assert execute.execute(worker, run.tasks[1]) == "done"
    assert worker.pause.times == 0


def test_a_store_that_the_worker_cannot_write_makes_it_pause(worker: Worker, run: Run) -> None:
    """Leases and records cannot be written: the worker stays alive, reports it, and tries again
    later.
    """
    leases = worker.store.root / "leases"
    leases.write_text("in the way")
    first, second = execute.execute(worker, run.tasks[0]), execute.execute(worker, run.tasks[0])
    leases.unlink()
    worker.pause.until = 0.0

    assert (first, second) == ("paused", "paused")
    assert worker.pause.times == 1
    assert worker.admission.tasks == ()
    assert execute.execute(worker, run.tasks[0]) == "done"
    assert worker.pause.times == 0


def test_an_evaluation_that_meets_a_bad_checkpoint_has_the_training_done_again(
    worker: Worker, run: Run
) -> None:
    """The record of the training is removed with the damaged checkpoint; nothing is quarantined."""
    execute.execute(worker, run.tasks[0])
    execute.execute(worker, run.tasks[1])
    behave(worker, "rotten")
    state = execute.execute(worker, run.tasks[2])
    again = [task.id for task in readiness.ready_tasks(worker.store, run)]
    execute.execute(worker, run.tasks[1])
    time.sleep(2.1)

    assert state == "failed"
    assert again == [run.tasks[1]]
    assert execute.execute(worker, run.tasks[2]) == "done"
    assert "failed" not in readiness.task_states(worker.store, run).values()


def test_lost_workers_are_no_blame_until_twenty_were_lost_without_progress(
    worker: Worker, run: Run
) -> None:
    """Machines come and go. But a task on which 20 workers are lost is quarantined."""
    task = Task.parse(run.tasks[0])
    who = {"worker": "dead", "host": "h", "device": "cpu", "run": run.name}
    for _ in range(attempts.MAX_LOST):
        attempts.begin(attempts.read_history(worker.store, task), who)
    behave(worker, "die")
    still_tried = execute.execute(worker, task.id)
    attempts.begin(attempts.read_history(worker.store, task), who)
    attempts.begin(attempts.read_history(worker.store, task), who)
    blamed = [
        record.state for record in attempts.read_history(worker.store, task).counted_failures()
    ]
    time.sleep(2.1)
    given_up = execute.execute(worker, task.id)

    assert still_tried == "failed"
    assert blamed == ["failed", "running"]
    assert given_up == "failed"
    assert "20 workers were lost" in str(worker.store.failed(task))


def test_a_batch_that_must_be_split_uses_up_no_attempts_and_is_tried_again_at_once(
    worker: Worker, run: Run
) -> None:
    """Once for each possible halving of the batch; the attempts say why."""
    execute.execute(worker, run.tasks[0])
    behave(worker, "big " * 7 + "well")
    ends = [execute.execute(worker, run.tasks[1]) for _ in range(8)]
    failures = [
        record.failure for record in attempts.records(worker.store, Task.parse(run.tasks[1]))
    ]

    assert ends == ["failed"] * 7 + ["done"]
    assert failures == ["out-of-memory"] * 7 + [None]
