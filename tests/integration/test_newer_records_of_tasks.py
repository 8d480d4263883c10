"""A worker that meets records of a newer orch: it puts the task off and leaves them alone."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.fake_worker import fake_worker, saved_run
from support.newer_records import KINDS, make_newer
from support.refusals import listing

from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from workers.execution import execute
from workers.reconciler import Reconciler
from workers.worker import Worker

LEFT_ALONE = (
    "attempt",
    "reset",
    "progress",
    "lease",
    "numerics",
    "threads",
    "micro-batches",
    "checkpoint",
    "trial",
    "run",
)
"""Kinds that a training would read, overwrite or remove."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store").open(create=True)


@pytest.fixture
def run(store: Store) -> Run:
    """A run of one backbone with two periods."""
    return saved_run(store)


@pytest.fixture
def worker(store: Store, redis_url: str) -> Worker:
    """A worker whose children do the fake work."""
    return fake_worker(store, redis_url)


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_a_worker_does_not_begin_beside_a_newer_record(
    kind: str, worker: Worker, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is written, no attempt is counted, and the log names the file."""
    assert execute.execute(worker, run.tasks[0]) == "done"
    training = Task.parse(run.tasks[1])
    path = make_newer(kind, worker.store, run, training)
    before = listing(worker.store.root)

    with caplog.at_level(logging.INFO):
        ended = [execute.execute(worker, training.id) for _ in range(2)]
        Reconciler(worker)._find_unheld_tasks()

    assert "done" not in ended
    assert f"{path} has format {KINDS[kind].record.FORMAT + 1}" in caplog.text
    assert "Upgrade orch on this machine." in caplog.text
    assert listing(worker.store.root) == before


@pytest.mark.parametrize("kind", ["handover", "heartbeat", "rates"])
def test_what_newer_workers_tell_each_other_is_passed_over(
    kind: str, worker: Worker, run: Run
) -> None:
    """Tasks are done as without it, and it stays as it is."""
    training = Task.parse(run.tasks[1])
    path = make_newer(kind, worker.store, run, training)
    before = path.read_bytes()
    worker.placement.peers.peers()
    ends = [execute.execute(worker, task) for task in run.tasks[:2]]

    assert ends == ["done", "done"]
    assert path.read_bytes() == before
    assert worker.placement.peers.peers() == ()


def test_a_newer_record_of_one_run_keeps_no_other_waiting(worker: Worker, run: Run) -> None:
    """The worker goes on with what it can read."""
    ready = Reconciler(worker)._find_unheld_tasks()
    make_newer("attempt", worker.store, run, Task.parse(run.tasks[0]))

    execute.execute(worker, run.tasks[0])

    assert [task.id for task in ready] == [run.tasks[0]]
    assert not worker.pause.active
