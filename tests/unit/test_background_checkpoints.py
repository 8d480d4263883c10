"""A checkpoint is written beside the training, of the moment it was asked for; no error in writing
is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after  # noqa: E402

from jobs.errors import LossNotFinite, OutOfMemory, Stopped, StorageFull  # noqa: E402
from jobs.task import Task, TaskRequest  # noqa: E402
from models.checkpoints.files import (  # noqa: E402
    CheckpointContents,
    listed,
    read,
    restore,
    weights_digest,
    write,
)
from models.data.gpu_cache import OnUpload  # noqa: E402
from models.training.state import TrainingState, begin_training  # noqa: E402
from models.training.train import train  # noqa: E402

RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.05}
Publish = Callable[[Path, CheckpointContents, str], Path]


@pytest.fixture
def laboratory(animal_folder: Path, tmp_path: Path) -> Laboratory:
    """A store whose data set is prepared at 32 pixels: six steps an epoch."""
    made = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    made.prepare()
    return made


def publishing(with_: Publish) -> Callable[[TaskRequest, OnUpload], TrainingState]:
    """Resumes trainings whose checkpoints are published by another function."""

    def take_up(order: TaskRequest, heard: OnUpload) -> TrainingState:
        training = begin_training(order, heard)
        training.publish = with_
        return training

    return take_up


def run(
    laboratory: Laboratory,
    trial: str,
    epoch: int,
    with_: Publish,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train up to an epoch with such checkpoints."""
    order = laboratory.order(Task("train", trial, epoch))
    return train(order, laboratory.told.append, should_stop, publishing(with_))


def checkpoints(laboratory: Laboratory, trial: str) -> Path:
    """The folder of the trial's checkpoints."""
    return laboratory.store.trial_folder(trial) / "checkpoints"


def test_a_checkpoint_holds_the_moment_it_was_asked_for(laboratory: Laboratory) -> None:
    """Delayed until the next epoch is trained, it still holds the epoch before, bit for bit."""
    trial = laboratory.trial("scratch", [2], **RECIPE)
    told, kept = laboratory.told, dict[int, str]()

    def late(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        while contents.epoch == 1 and not any(
            each.get("epoch") == 2 and each["phase"] == "validate" for each in told
        ):
            time.sleep(0.01)
        path = write(folder, contents, attempt)
        kept[contents.epoch] = weights_digest(read(path, trial).network)
        return path

    outcome = run(laboratory, trial, 2, late)
    for found in listed(checkpoints(laboratory, trial)):
        found.path.unlink()
    first = run(laboratory, trial, 1, write)

    assert kept == {1: first["weights_digest"], 2: outcome["weights_digest"]}


def test_the_training_goes_on_while_a_checkpoint_is_written(laboratory: Laboratory) -> None:
    """The writing thread sees that steps of the next epoch were done."""
    trial, seen = laboratory.trial("scratch", [2], **RECIPE), threading.Event()

    def slow(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        until = time.monotonic() + 20
        while contents.epoch == 1 and not seen.is_set() and time.monotonic() < until:
            if any(each.get("epoch") == 2 for each in laboratory.told):
                seen.set()
        return write(folder, contents, attempt)

    run(laboratory, trial, 2, slow)

    assert seen.is_set()


def test_an_outcome_and_a_stop_wait_for_their_checkpoint(laboratory: Laboratory) -> None:
    """However slow it is: what the outcome names, and what a stopped training goes on from, is down
    by then.
    """
    trial = laboratory.trial("scratch", [1], **RECIPE)

    def slow(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        time.sleep(0.5)
        return write(folder, contents, attempt)

    with pytest.raises(Stopped):
        run(laboratory, trial, 1, slow, should_stop=stop_after(2))
    stopped = [(found.epoch, found.step) for found in listed(checkpoints(laboratory, trial))]
    outcome = run(laboratory, trial, 1, slow)

    assert stopped == [(0, 3)]
    assert read(laboratory.store.root / outcome["checkpoint"], trial).epoch == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StorageFull("cannot write it: no space."), StorageFull),
        (OSError(5, "Input/output error"), OSError),
        (RuntimeError("unexpected pos 64"), RuntimeError),
        (MemoryError("none left"), OutOfMemory),
    ],
)
@pytest.mark.parametrize("epochs", [1, 3])
def test_what_goes_wrong_in_writing_ends_the_training(
    laboratory: Laboratory, error: Exception, kind: type[Exception], epochs: int
) -> None:
    """At its end, or at the next look: the first checkpoint is not down, and no second is begun. No
    batch is split.
    """
    trial, tried = laboratory.trial("scratch", [epochs], **RECIPE), list[int]()

    def fail(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        tried.append(contents.epoch)
        raise error

    with pytest.raises(kind):
        run(laboratory, trial, epochs, fail)

    assert tried == [1]
    assert not (laboratory.store.trial_folder(trial) / "microbatches.json").exists()


def test_a_training_that_fails_leaves_the_checkpoint_it_had_begun(laboratory: Laboratory) -> None:
    """The next attempt resumes from there. The failure of the training is reported, not that of the
    checkpoint.
    """
    trial = laboratory.trial("scratch", [3], **RECIPE)

    def take_up(order: TaskRequest, heard: OnUpload) -> TrainingState:
        training = begin_training(order, heard)

        def poison(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
            next(training.learner.network.parameters()).data.fill_(float("nan"))
            time.sleep(0.5)
            return write(folder, contents, attempt)

        training.publish = poison
        return training

    with pytest.raises(LossNotFinite):
        train(
            laboratory.order(Task("train", trial, 3)),
            laboratory.told.append,
            lambda: False,
            take_up,
        )
    found = restore(checkpoints(laboratory, trial), trial, 3)

    assert found is not None
    assert found[0].epoch == 1
    assert all(value.isfinite().all() for value in found[0].network.values())
