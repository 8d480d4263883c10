"""A training that runs out of memory: the same step in smaller parts, on record, the same on every
attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after  # noqa: E402
from torch import nn  # noqa: E402

from jobs.errors import BatchSplit, Crowded, OutOfMemory, Stopped  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.store.records import Split  # noqa: E402
from jobs.store.runs import Run  # noqa: E402
from jobs.task import Task, TaskRequest  # noqa: E402
from models.data.gpu_cache import OnUpload  # noqa: E402
from models.training.microbatches import halve, read  # noqa: E402
from models.training.state import TrainingState, begin_training  # noqa: E402
from models.training.train import train  # noqa: E402
from workers.devices.discovery import Device  # noqa: E402
from workers.execution import attempts, execute  # noqa: E402
from workers.lease_expiry import LeaseTracker  # noqa: E402
from workers.worker import Worker  # noqa: E402

RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.01}


@pytest.fixture
def laboratory(animal_folder: Path, tmp_path: Path) -> Laboratory:
    """A store whose data set is prepared at 32 pixels: 42 images to train on, six steps an
    epoch.
    """
    made = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    made.prepare()
    return made


def hungry(network: nn.Module, most: int, from_call: int = 1) -> None:
    """Let a network run out of memory on more images than `most` when it trains, from a call of it
    on.
    """
    calls = iter(range(1, 10**6))

    def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
        if module.training and next(calls) >= from_call and len(given[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    network.register_forward_pre_hook(refuse)


def small_device(most: int, from_call: int = 1) -> Callable[[TaskRequest, OnUpload], TrainingState]:
    """Resumes trainings on a device that holds this many images."""

    def take_up(order: TaskRequest, heard: OnUpload) -> TrainingState:
        training = begin_training(order, heard)
        hungry(training.learner.network, most, from_call)
        return training

    return take_up


def attempts_until_done(
    laboratory: Laboratory,
    trial: str,
    epoch: int,
    take_up: Callable[[TaskRequest, OnUpload], TrainingState],
    stops: Any = None,
) -> tuple[dict[str, Any], list[str]]:
    """Repeat a training until it is done; returns the result and the messages of the failed
    attempts.
    """
    task, said = Task("train", trial, epoch), list[str]()
    while True:
        order = laboratory.order(task)
        try:
            outcome = train(
                order, laboratory.told.append, stops() if stops else lambda: False, take_up
            )
        except (BatchSplit, Stopped) as error:
            said.append(str(error))
            continue
        laboratory.store.publish_result(task, outcome, Path(order.work_folder), lambda: True)
        return outcome, said


def test_a_trial_that_runs_out_of_memory_is_trained_in_parts_from_there_on(
    laboratory: Laboratory,
) -> None:
    """In the second step of the second epoch: halved twice, reported in the result, every row is
    there.
    """
    trial = laboratory.trial("squeezenet", [3], **RECIPE)
    outcome, said = attempts_until_done(laboratory, trial, 3, small_device(2, from_call=8))
    epochs = [
        row["epoch"]
        for row in tables.read_rows(laboratory.store.root, "epochs", [trial]).to_pylist()
    ]

    assert "a batch of 8 did not fit into memory in epoch 2, step 2" in said[0]
    assert "into 2 micro-batches" in said[0]
    assert outcome["micro_batches"][0] == {"epoch": 2, "step": 2, "parts": 2}
    assert outcome["micro_batches"][-1]["parts"] == 4
    assert sorted(epochs) == [1, 2, 3]


@pytest.mark.long
def test_where_a_trial_is_cut_up_makes_no_difference_to_one_in_parts(
    tmp_path: Path, animal_folder: Path
) -> None:
    """Stopped again and again, or taken up by a device with more memory: the record decides, the
    weights are equal.
    """
    digests = []
    for number, (most, stops) in enumerate(((3, None), (3, lambda: stop_after(3)), (99, None))):
        laboratory = Laboratory.of(tmp_path / str(number), animal_folder, image_size=32)
        laboratory.prepare()
        trial = laboratory.trial("mobilenet-v3", [2], **RECIPE)
        path = laboratory.store.microbatches_path(trial)
        for parts, epoch in ((2, 1), (4, 2)):
            assert halve(path, epoch, 3, 8) == parts
        outcome, _ = attempts_until_done(laboratory, trial, 2, small_device(most, 10**6), stops)
        digests.append(outcome["weights_digest"])

    assert digests[0] == digests[1] == digests[2]


def test_what_cannot_be_split_any_further_fails_for_good_with_what_to_change(
    laboratory: Laboratory,
) -> None:
    """Even single images do not fit."""
    trial = laboratory.trial("squeezenet", [1], **RECIPE)
    with pytest.raises(OutOfMemory, match=r"batch of 8 already split into single images") as caught:
        attempts_until_done(laboratory, trial, 1, small_device(0))

    assert "--image-size" in str(caught.value)
    assert not caught.value.retry
    assert [split.parts for split in read(laboratory.store.microbatches_path(trial))] == [8]


def test_beside_other_tasks_no_batch_is_split(laboratory: Laboratory) -> None:
    """A neighbour must not change numbers: nothing is recorded, and alone the whole batch
    may fit.
    """
    trial = laboratory.trial("squeezenet", [1], **RECIPE)
    order = laboratory.order(Task("train", trial, 1))
    with pytest.raises(Crowded, match="retried exclusively"):
        train(replace(order, alone=False), laboratory.told.append, lambda: False, small_device(2))
    outcome, said = attempts_until_done(laboratory, trial, 1, small_device(8))

    assert (said, outcome["micro_batches"]) == ([], [])


def test_batch_norm_that_cannot_take_a_single_image_fails_for_good_too(
    laboratory: Laboratory,
) -> None:
    """A network that pools to one value has no statistics of one image; it is said so, not as a
    bug.
    """
    trial = laboratory.trial("resnet34", [1], **RECIPE)
    with pytest.raises(OutOfMemory, match="cannot train on single images"):
        attempts_until_done(laboratory, trial, 1, small_device(1))


def test_a_worker_on_a_small_device_finishes_a_run_that_does_not_fit(
    laboratory: Laboratory, redis_url: str, tmp_path: Path
) -> None:
    """Real children, tried again at once with smaller parts; no attempt is blamed, the trial is
    done and evaluated.
    """
    store, trial = laboratory.store, laboratory.trial("squeezenet", [1], **RECIPE)
    asked = model.build(
        {"data": str(tmp_path / "animals"), "backbones": ["squeezenet"], "periods": 1}
    )
    work = [Task("train", trial, 1), Task("evaluate", trial, 1)]
    named = tuple(task.id for task in (Task("prepare", laboratory.data), *work))
    store.save_run(Run("run", asked, laboratory.data, (trial,), named, 0.0, {}))
    worker = Worker(
        store,
        redis_url,
        "small",
        "host",
        Device("cpu", "cpu", "", 1),
        None,
        LeaseTracker(store),
        entry="support.hungry_work:main",
    )
    ends = [execute.execute(worker, work[0].id) for _ in range(3)] + [
        execute.execute(worker, work[1].id)
    ]
    tried = [(record.state, record.failure) for record in attempts.records(store, work[0])]

    result = store.done(work[0])

    assert ends == ["failed", "failed", "done", "done"]
    assert tried == [("failed", "out-of-memory")] * 2 + [("done", None)]
    assert result is not None
    assert result.micro_batches == (Split(1, 1, 4),)
    assert store.failed(work[0]) is None
