"""Out of memory: the same step in smaller parts, recorded, and the same trial on every attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from support.learning import Laboratory, stop_after  # noqa: E402
from support.toy_training import learner, some_data  # noqa: E402
from torch import nn  # noqa: E402

from jobs.errors import BadCheckpoint, BatchSplit, Crowded, OutOfMemory, Stopped  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.store.runs import Run  # noqa: E402
from jobs.task import Task, TaskRequest  # noqa: E402
from models.data.batches import Batch  # noqa: E402
from models.data.gpu_cache import Heard  # noqa: E402
from models.evaluation.inference import predict_split, validate  # noqa: E402
from models.training.learner import step  # noqa: E402
from models.training.microbatches import Split, halve, parts_at, read, sizes  # noqa: E402
from models.training.state import TrainingState, begin_training  # noqa: E402
from models.training.train import train  # noqa: E402
from workers.devices.discovery import Device  # noqa: E402
from workers.execution import attempts, execute  # noqa: E402
from workers.lease import LeaseTracker  # noqa: E402
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
    """Let a network run out of memory in training on more images than `most`, from its n-th call
    on.
    """
    calls = iter(range(1, 10**6))

    def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
        if module.training and next(calls) >= from_call and len(given[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    network.register_forward_pre_hook(refuse)


def small_device(most: int, from_call: int = 1) -> Callable[[TaskRequest, Heard], TrainingState]:
    """Resumes trainings on a device that holds this many images."""

    def take_up(order: TaskRequest, heard: Heard) -> TrainingState:
        training = begin_training(order, heard)
        hungry(training.learner.network, most, from_call)
        return training

    return take_up


def attempts_until_done(
    laboratory: Laboratory,
    trial: str,
    epoch: int,
    take_up: Callable[[TaskRequest, Heard], TrainingState],
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
        laboratory.store.publish(task, outcome, Path(order.work_folder), lambda: True)
        return outcome, said


def test_a_step_in_parts_is_the_step_of_the_whole_batch() -> None:
    """Weights after three steps, and the losses, up to rounding, without dropout and batch norm."""
    whole, split = (learner("squeezenet", learning_rate=0.01) for _ in range(2))
    split.splits = (Split(1, 1, 3),)
    data = some_data()
    for each in (whole, split):
        for module in each.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    for number, start in enumerate((0, 8, 13), 1):
        batch = Batch(
            *(
                torch.from_numpy(part[start : start + 7 + number % 2].copy())
                for part in (data.images, data.labels)
            )
        )
        losses = [step(each, batch, 1, number) for each in (whole, split)]

        assert torch.allclose(*losses, atol=1e-5)
    for found, expected in zip(split.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_parts_are_even_and_never_larger_than_those_of_a_full_batch(
    batch: int, parts: int, more: Any
) -> None:
    """All images, in parts that differ by at most one image, so that none is left with a single one
    needlessly.
    """
    images = more.draw(st.integers(1, batch))
    found = sizes(images, batch, min(parts, batch))

    assert sum(found) == images
    assert 1 <= min(found) <= max(found) <= -(-batch // min(parts, batch))
    assert max(found) - min(found) <= 1


def test_parts_double_until_they_hold_one_image(tmp_path: Path) -> None:
    """2, 4, 8, then 10 for a batch of ten, then no more; each from its own step on."""
    made = [halve(tmp_path, epoch, 3, 10) for epoch in (5, 5, 4, 6, 6, 7)]

    assert made == [2, 4, 2, 8, 10, None]
    assert read(tmp_path) == (Split(4, 3, 2), Split(5, 3, 4), Split(6, 3, 10))
    assert [parts_at(read(tmp_path), *at) for at in ((4, 2), (4, 3), (5, 2), (5, 3), (6, 9))] == [
        1,
        2,
        2,
        4,
        10,
    ]


def test_a_torn_record_is_named(tmp_path: Path) -> None:
    """It is not treated as missing: the trial would continue with other results."""
    for text in ('[{"epoch": 1', '{"epoch": 1}', '[{"epoch": 1}]', "7"):
        (tmp_path / "microbatches.json").write_text(text)
        with pytest.raises(BadCheckpoint, match=r"microbatches\.json"):
            read(tmp_path)


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
    assert "in 2 micro-batches" in said[0]
    assert outcome["micro_batches"][0] == {"epoch": 2, "step": 2, "parts": 2}
    assert outcome["micro_batches"][-1]["parts"] == 4
    assert sorted(epochs) == [1, 2, 3]


def test_where_a_trial_is_cut_up_makes_no_difference_to_one_in_parts(
    tmp_path: Path, animal_folder: Path
) -> None:
    """Stopped repeatedly, or resumed on a device with more memory: the record decides, the weights
    are equal.
    """
    digests = []
    for number, (most, stops) in enumerate(((3, None), (3, lambda: stop_after(3)), (99, None))):
        laboratory = Laboratory.of(tmp_path / str(number), animal_folder, image_size=32)
        laboratory.prepare()
        trial = laboratory.trial("mobilenet-v3", [2], **RECIPE)
        folder = laboratory.store.trial_folder(trial)
        for parts, epoch in ((2, 1), (4, 2)):
            assert halve(folder, epoch, 3, 8) == parts
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
    assert [split.parts for split in read(laboratory.store.trial_folder(trial))] == [8]


def test_beside_other_tasks_no_batch_is_split(laboratory: Laboratory) -> None:
    """Other tasks must not change results: nothing is recorded, and exclusively the whole batch may
    fit.
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
    """A network that pools to one value has no statistics of a single image; the message says so,
    it is not a bug.
    """
    trial = laboratory.trial("resnet34", [1], **RECIPE)
    with pytest.raises(OutOfMemory, match="cannot train on single images"):
        attempts_until_done(laboratory, trial, 1, small_device(1))


@pytest.mark.parametrize("name", ["scratch", "squeezenet", "mobilenet-v3"])
def test_an_evaluation_that_runs_out_of_memory_gives_the_same_answers_in_smaller_parts(
    name: str,
) -> None:
    """Every image once, in order; losses and predictions as before."""
    plain, small, data = learner(name), learner(name), some_data()

    def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
        if len(given[0]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    small.network.register_forward_pre_hook(refuse)
    whole, parts = (list(predict_split(each, data, "validation")) for each in (plain, small))
    scores, in_parts = (torch.cat([scores for _, _, scores in found]) for found in (whole, parts))
    losses = [validate(each, data, 1, lambda done: None) for each in (plain, small)]

    assert [len(piece) for piece, _, _ in whole] == [8]
    assert [len(piece) for piece, _, _ in parts] == [2, 2, 2, 2]
    assert [index for piece, _, _ in parts for index in piece] == list(data.splits["validation"])
    assert torch.allclose(scores, in_parts, atol=1e-5)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_another_failure_of_an_evaluation_is_not_taken_for_want_of_memory() -> None:
    """Only out of memory halves the batch; a single image that does not fit is an error."""
    some, data = learner(), some_data()

    def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
        raise (
            RuntimeError("another matter")
            if len(given[0]) > 1
            else torch.OutOfMemoryError("CUDA out of memory.")
        )

    some.network.register_forward_pre_hook(refuse)
    with pytest.raises(RuntimeError, match="another matter"):
        list(predict_split(some, data, "validation"))
    with pytest.raises(torch.OutOfMemoryError):
        list(
            predict_split(
                some,
                replace(data, splits={"validation": data.splits["validation"][:1]}),
                "validation",
            )
        )


def test_a_worker_on_a_small_device_finishes_a_run_that_does_not_fit(
    laboratory: Laboratory, redis_url: str, tmp_path: Path
) -> None:
    """Real children, retried at once with smaller parts; no attempt counts as a failure, and the
    trial is done and evaluated.
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
    tried = [(record["state"], record["failure"]) for record in attempts.records(store, work[0])]

    assert ends == ["failed", "failed", "done", "done"]
    assert tried == [("failed", "out-of-memory")] * 2 + [("done", None)]
    assert (store.done(work[0]) or {})["micro_batches"] == [{"epoch": 1, "step": 1, "parts": 4}]
    assert store.failed(work[0]) is None
