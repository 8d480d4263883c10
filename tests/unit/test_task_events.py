"""What Celery's monitors are told of an attempt, and under which name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fake_worker import fake_worker, saved_run

from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store.records import AttemptRecord
from jobs.store.store import Store
from jobs.task import Task
from jobs.task_title import task_title
from orchestrator.submission.run_creation import create_run
from workers.execution import announcing, attempts, execute
from workers.messaging.task_events import Ending, event_of, new_id


def attempt(**facts: Any) -> AttemptRecord:
    """The second attempt at a training, which took four seconds."""
    values = {
        "attempt": 2,
        "state": "failed",
        "failure": None,
        "position": "",
        "worker": "w1",
        "host": "box",
        "device": "cuda:0",
        "task": "train.scratch-s0-96059515.0001",
        "celery_id": "train.scratch-s0-96059515.0001-0a1b2c3d",
        "started_at": 100.0,
        "finished_at": 104.0,
    }
    return AttemptRecord(**{**values, **facts})


@pytest.mark.parametrize(
    ("facts", "ending", "expected"),
    [
        ({"state": "running", "finished_at": None}, Ending(), ("task-started", None)),
        ({"state": "done"}, Ending("epoch 1 reached"), ("task-succeeded", None)),
        (
            {"failure": "out-of-memory", "message": "a batch\ndid not fit."},
            Ending(),
            ("task-retried", "out of memory: a batch did not fit."),
        ),
        (
            {"failure": "loss-not-finite", "message": "the loss is nan."},
            Ending(final=True),
            ("task-failed", "loss not finite: the loss is nan."),
        ),
        (
            {"state": "stopped", "failure": "stopped", "message": "was stopped"},
            Ending(stopped_by="no run needs it any more", by_person=True),
            ("task-revoked", "stopped: no run needs it any more"),
        ),
        (
            {"state": "lost", "failure": "worker-lost", "message": "the worker w1 was lost."},
            Ending(),
            ("task-retried", "worker lost: the worker w1 was lost."),
        ),
    ],
)
def test_only_what_is_done_has_succeeded(
    facts: dict[str, Any], ending: Ending, expected: tuple[str, str | None]
) -> None:
    """A failed, stopped or lost attempt is a failure, a retry, or revoked by a person."""
    event_type, fields = event_of(attempt(**facts), "train scratch period 1", ending)

    assert (event_type, fields.get("exception")) == expected
    assert ("runtime" in fields) == (event_type != "task-started")


def test_a_row_names_the_task_the_worker_and_its_device() -> None:
    """And how often the task was tried before."""
    _, fields = event_of(attempt(), "train scratch period 1")

    assert fields["name"] == "train scratch period 1"
    assert fields["args"] == "train.scratch-s0-96059515.0001"
    assert fields["hostname"] == "w1@box.cuda-0"
    assert fields["retries"] == 1


def test_each_message_has_an_id_of_its_own_that_begins_with_its_tasks() -> None:
    """So a second message for a task is a second row."""
    task = Task("train", "scratch-s0-96059515", 1)
    ids = {new_id(task) for _ in range(100)}

    assert len(ids) == 100
    assert {each[:-9] for each in ids} == {task.id}


def test_a_title_counts_periods_and_names_a_seed_only_where_there_are_several(
    tmp_path: Path,
) -> None:
    """As the run counts them; without a run, epochs."""
    store = Store(tmp_path).open(create=True)
    saved_run(store)
    asked = {"backbones": ["vgg16"], "periods": 2, "epochs_per_period": 5, "seeds": 2}
    create_run(store, model.build(asked | {"corruptions": ["blur"]}), built_in("digits"))
    tasks = [Task.parse(each) for name in store.run_names() for each in store.load_run(name).tasks]
    titles = {task_title(store, task) for task in tasks}

    assert {"train scratch period 2", "train vgg16 seed 1 period 2"} <= titles
    assert {"evaluate vgg16 seed 0 period 1", "evaluate vgg16 seed 0 period 2 blur-3"} <= titles
    assert task_title(store, Task("train", "vgg16-s0-00000000", 7)) == "train vgg16 epoch 7"


def test_rows_of_a_grid_and_of_other_data_are_told_apart(tmp_path: Path) -> None:
    """By the setting of the trial, and by the data set."""
    store = Store(tmp_path / "store").open(create=True)
    asked = {"backbones": "scratch", "periods": 1, "learning_rate": [0.01, 0.1], "weights": "none"}
    run = create_run(store, model.build(asked), built_in("digits"))
    tasks = [Task.parse(each) for each in run.tasks]
    other = replace(next(each for each in tasks if each.is_test), data="pets-64px-1f1cb38c")

    assert {task_title(store, task) for task in tasks if task.kind == "train"} == {
        "train scratch learning_rate 0.01 period 1",
        "train scratch learning_rate 0.1 period 1",
    }
    assert task_title(store, other) == "evaluate scratch epoch 10 on pets-64px-1f1cb38c"


def test_a_doubled_message_leaves_the_row_of_the_first_as_it_is(
    tmp_path: Path, redis_url: str
) -> None:
    """The second delivery begins nothing, and tells again what the first has begun."""
    store = Store(tmp_path / "store").open(create=True)
    run, worker = saved_run(store), fake_worker(store, redis_url)
    told: list[tuple[str, dict[str, Any]]] = []
    worker.announce = lambda event_type, fields: told.append((event_type, fields))
    for celery_id in ("m1", "m1", "m2"):
        execute.execute(worker, run.tasks[0], celery_id)

    assert [(kind, fields["uuid"]) for kind, fields in told] == [
        ("task-started", "m1"),
        ("task-succeeded", "m1"),
        ("task-succeeded", "m1"),
        (announcing.IGNORED, "m2"),
    ]
    assert told[-1][1]["result"] == "nothing begun: the task is done, or cannot begin yet"


def test_what_is_tried_again_and_what_was_lost_each_have_a_row(
    tmp_path: Path, redis_url: str
) -> None:
    """Whoever begins the task again tells of the lost attempt."""
    store = Store(tmp_path / "store").open(create=True)
    run, worker = saved_run(store), fake_worker(store, redis_url)
    told: list[tuple[str, dict[str, Any]]] = []
    worker.announce = lambda event_type, fields: told.append((event_type, fields))
    task = Task.parse(run.tasks[0])
    who = {"worker": "gone", "host": "box", "device": "cpu", "celery_id": "m0"}
    attempts.begin(attempts.read_history(store, task), who)
    (store.root / "behave").write_text("fat")
    execute.execute(worker, task.id, "m1")

    assert [(kind, fields["uuid"], fields["hostname"]) for kind, fields in told] == [
        ("task-retried", "m0", "gone@box.cpu"),
        ("task-started", "m1", "w1@host.cpu"),
        ("task-failed", "m1", "w1@host.cpu"),
    ]
    assert told[-1][1]["exception"].startswith("out of memory: the machine ran out of memory")
