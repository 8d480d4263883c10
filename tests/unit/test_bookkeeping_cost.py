"""The overhead of a task: nothing is read, sent or run more often than necessary."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from support import fakes

from jobs import atomic, readiness
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from workers.messaging import broker, messages
from workers.process import child


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Store, Run]:
    """A run of one network whose first two of three periods are trained and not evaluated."""
    return fakes.fill_store(
        tmp_path / "store",
        backbones=["scratch"],
        images_a_class=5,
        pixels=False,
        finished=lambda task: task.kind == "prepare" or (task.kind == "train" and task.epoch < 6),
    )


def test_a_training_is_followed_by_its_own_tests_and_the_next_training(
    trained: tuple[Store, Run],
) -> None:
    """Evaluations of earlier target epochs were enqueued when these were trained; enqueueing them
    again each time would fill the queue.
    """
    store, run = trained
    trial = run.trials[0]
    following = readiness.next_tasks(store, Task("train", trial, 4))

    assert [task.id for task in following] == [f"evaluate.{trial}.0004", f"train.{trial}.0006"]
    assert len(readiness.ready_tasks(store, run)) == 3


def test_nothing_follows_a_task_that_was_not_done(trained: tuple[Store, Run]) -> None:
    """The task itself is enqueued again, if it may be retried at once."""
    store, run = trained

    assert readiness.next_tasks(store, Task("train", run.trials[0], 6)) == []


def test_what_is_ready_one_by_one_is_what_is_ready_of_the_whole_plan(
    trained: tuple[Store, Run],
) -> None:
    """A worker reads the heartbeats for one task; its reconciler reads them for all."""
    store, run = trained
    one_by_one = [task for task in map(Task.parse, run.tasks) if readiness.is_ready(store, task)]

    assert sorted(task.id for task in one_by_one) == sorted(
        task.id for task in readiness.ready_tasks(store, run)
    )


def test_a_run_that_was_put_down_anew_is_read_anew(trained: tuple[Store, Run]) -> None:
    """It is cached only while its file is unchanged."""
    store, run = trained
    before, again = store.load_run(run.name), store.load_run(run.name)
    store.save_run(dataclasses.replace(run, provenance={"host": "beta"}))

    assert again is before
    assert store.load_run(run.name).provenance == {"host": "beta"}


def test_a_message_is_sent_on_a_new_connection_when_the_kept_one_was_cut(redis_url: str) -> None:
    """Redis may have been restarted since."""
    with broker.connected(redis_url, 3.0) as channel:
        channel.client.flushall()
    messages.enqueue(redis_url, [Task("train", "vgg16-s0-00000000", 10)])
    with broker.connected(redis_url, 3.0) as channel:
        channel.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    messages.enqueue(redis_url, [Task("train", "vgg16-s0-00000000", 20)])

    assert broker.queue_length(redis_url) == 2


def test_what_is_not_synced_lands_whole_all_the_same(tmp_path: Path) -> None:
    """A reader sees all of it or nothing, and no draft is left."""
    atomic.write_json(tmp_path / "a.json", [1], durable=False)
    created = [atomic.claim_json(tmp_path / "b.json", n) for n in (1, 2)]

    assert created == [True, False]
    assert [atomic.read_json(tmp_path / f"{name}.json") for name in "ab"] == [[1], 1]
    assert atomic.list_names(tmp_path) == ["a.json", "b.json"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_child_does_not_run_the_program_that_started_it(tmp_path: Path) -> None:
    """Multiprocessing would do so by itself."""
    order = TaskRequest(
        "train.scratch-s0-00000000.0001", str(tmp_path), "a", str(tmp_path), 1, "cpu", 1, None
    )
    outcome = child.run(
        order,
        tmp_path / "log",
        lambda message: None,
        lambda: False,
        lambda: True,
        entry="support.fake_work:program",
    )

    assert outcome == {"file": None, "name": None}


def test_a_ledger_of_ten_thousand_tasks_is_listed_in_a_moment(tmp_path: Path) -> None:
    """Two listings, whatever the number of tasks."""
    store = Store(tmp_path)
    folder = store.done_path(Task("train", "scratch-s0-00000000", 1)).parent
    folder.mkdir(parents=True)
    for epoch in range(1, 10_001):
        store.done_path(Task("train", "scratch-s0-00000000", epoch)).touch()
    began = time.perf_counter()
    ledger = store.ledger()

    assert time.perf_counter() - began < 1.0
    assert ledger.is_done(Task("train", "scratch-s0-00000000", 10_000))
    assert not ledger.has_failed(Task("train", "scratch-s0-00000000", 1))
