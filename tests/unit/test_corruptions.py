"""Evaluations on corrupted images: how they are requested, planned, queued and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import plan, readiness
from jobs.catalog import corruptions
from jobs.catalog.corruptions import CORRUPTIONS, SEVERITIES
from jobs.errors import BadSpec
from jobs.spec import model
from jobs.task import Task
from orchestrator.monitoring import status

VARIANTS = [
    corruptions.level_name(name, severity) for name in CORRUPTIONS for severity in SEVERITIES
]


def asked(**values: Any) -> model.Spec:
    """A spec of two small networks."""
    return model.build(
        {"backbones": ["scratch", "squeezenet"], "periods": 2, "epochs_per_period": 1, **values}
    )


@pytest.mark.parametrize(
    "task_id", [f"evaluate.vgg16-s0-1f3a9c2e.0010.{word}" for word in VARIANTS]
)
def test_a_harder_test_has_an_id_of_its_own(task_id: str) -> None:
    """A task id is parsed back to the same task."""
    task = Task.parse(task_id)

    assert task.id == task_id == task.lease_key
    assert (task.kind, task.epoch, task.corruption) == ("evaluate", 10, task_id.rpartition(".")[2])


@pytest.mark.parametrize(
    "end",
    ["", "blur", "blur-0", "blur-6", "blur-03", "blur-3.", "BLUR-3", "fog-1", "../x", "blur-³"],
)
def test_any_other_word_is_no_task(end: str) -> None:
    """Other kinds of tasks have no corruption either."""
    with pytest.raises(BadSpec, match="is not a task id"):
        Task.parse(f"evaluate.vgg16-s0-1f3a9c2e.0010.{end}")
    with pytest.raises(BadSpec, match="is not a task id"):
        Task.parse("train.vgg16-s0-1f3a9c2e.0010.blur-3")


def test_corruptions_are_asked_for_by_name_or_all() -> None:
    """As a list or with commas, in catalog order. An unknown name is rejected with a suggestion."""
    built = asked(corruptions="noise, blur,noise")

    assert built.corruptions == ("blur", "noise")
    assert asked(corruptions=["noise", "blur"]) == built
    assert asked(corruptions="all").corruptions == tuple(CORRUPTIONS)
    assert asked(corruptions="none") == asked()
    for bad, hint in (
        ("blurr", "Did you mean 'blur'"),
        (7, "a list of corruptions"),
        (["all", "blur"], "'all'"),
    ):
        with pytest.raises(BadSpec, match=hint):
            asked(corruptions=bad)


def test_every_trial_is_tested_after_its_last_period() -> None:
    """Five severities each, after the trial's own tasks; the trials are the same as without
    corruptions.
    """
    plain, harder = (
        plan.unfold(asked(corruptions=names), "d-32px-00000000") for names in ("none", "blur,jpeg")
    )
    more = [task.id for task in harder.tasks if task not in plain.tasks]

    assert harder.run != plain.run
    assert harder.trials == plain.trials
    assert more == [
        f"evaluate.{trial.name}.0002.{word}-{severity}"
        for trial in harder.trials
        for word in ("blur", "jpeg")
        for severity in SEVERITIES
    ]


def test_harder_tests_are_ready_once_the_last_mark_is_trained(tmp_path: Path) -> None:
    """Not before. They come last in the queue, and only the run that requested them needs them."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch"],
        classes=("a", "b"),
        periods=2,
        epochs_per_period=1,
        harder=["blur"],
        name="harder",
        finished=lambda task: task.kind != "evaluate" and task.epoch < 2,
    )
    trial, before = run.trials[0], readiness.ready_tasks(store, run)
    _, same = fill_store(
        tmp_path,
        backbones=["scratch"],
        classes=("a", "b"),
        periods=2,
        epochs_per_period=1,
        name="plain",
        finished=lambda task: task.kind == "train",
    )
    ready = readiness.ready_tasks(store, run)
    test = Task("evaluate", trial, 2, "blur-1")

    assert same.trials == run.trials
    assert not any(task.corruption for task in readiness.ready_tasks(store, same))
    assert before == [Task("evaluate", trial, 1), Task("train", trial, 2)]
    assert ready == [
        Task("evaluate", trial, 1),
        Task("evaluate", trial, 2),
        *(Task("evaluate", trial, 2, f"blur-{severity}") for severity in SEVERITIES),
    ]
    assert readiness.is_ready(store, test)
    assert plan.priority(test, 25.0) == 9
    assert [run.name for run in store.wanted_by(test)] == ["harder"]
    assert {run.name for run in store.wanted_by(Task("evaluate", trial, 2))} == {"harder", "plain"}
    store.cancel("harder")
    assert not readiness.is_ready(store, test)


def test_a_run_is_not_over_before_its_harder_tests(tmp_path: Path) -> None:
    """The trial is waiting although everything else of it is done."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch"],
        classes=("a", "b"),
        harder=["noise"],
        finished=lambda task: not task.corruption,
    )
    found = status.run_status(store, run)

    assert found.tasks == {"done": 7, "open": 5}
    assert (found.state, found.trials[0].state) == ("waiting", "waiting")
