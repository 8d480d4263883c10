"""A trial is a line of epochs: however it is divided, stopped and resumed, it is the same bit for
bit.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after  # noqa: E402
from support.noise_laboratories import noise_laboratories  # noqa: E402

from jobs.errors import Stopped  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.task import Task  # noqa: E402
from models import entrypoint  # noqa: E402
from models.checkpoints.files import listed  # noqa: E402

TIMES = ("seconds", "images_per_second", "period")
RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.05, "plateau_patience": 0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    """Makes laboratories of their own, each with the data set prepared."""
    return noise_laboratories(tmp_path_factory)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Resets torch to one thread, whatever a trial used."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def rows_of(laboratory: Laboratory, trial: str) -> list[dict[str, Any]]:
    """The trial's published rows of epochs without their times."""
    rows = tables.read_rows(laboratory.store.root, "epochs", [trial]).sort_by("epoch").to_pylist()
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


@pytest.fixture(scope="module")
def straight(
    prepared: Callable[[], Laboratory],
) -> Callable[[str, str], tuple[str, list[dict[str, Any]]]]:
    """The checksum and rows of six epochs trained without a stop, once for each network and
    precision.
    """
    laboratory = prepared()
    known: dict[tuple[str, str], tuple[str, list[dict[str, Any]]]] = {}

    def get(backbone: str, precision: str) -> tuple[str, list[dict[str, Any]]]:
        if (backbone, precision) not in known:
            trial = laboratory.trial(backbone, [6], precision=precision, **RECIPE)
            digest = laboratory.train(trial, 6)["weights_digest"]
            known[backbone, precision] = digest, rows_of(laboratory, trial)
        return known[backbone, precision]

    return get


BOTH = pytest.mark.parametrize(
    ("backbone", "precision"),
    [("scratch", "bf16"), ("squeezenet", "fp32")],
)


@BOTH
def test_three_periods_of_two_epochs_are_one_of_six(
    prepared: Callable[[], Laboratory], straight: Any, backbone: str, precision: str
) -> None:
    """Weights and all rows except times, each period resumed from files, across a reduction of the
    learning rate.
    """
    laboratory = prepared()
    trial = laboratory.trial(backbone, [2, 4, 6], precision=precision, **RECIPE)
    outcomes = [laboratory.train(trial, epoch, period=epoch // 2) for epoch in (2, 4, 6)]
    digest, rows = straight(backbone, precision)

    assert outcomes[-1]["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows
    assert len({row["learning_rate"] for row in rows}) > 1


@BOTH
def test_a_trial_stopped_in_mid_epoch_again_and_again_is_the_same(
    prepared: Callable[[], Laboratory], straight: Any, backbone: str, precision: str
) -> None:
    """Every attempt gets four more calls of `should_stop`; steps, validations and epochs are
    interrupted anywhere.
    """
    laboratory = prepared()
    trial, stops, outcome = laboratory.trial(backbone, [6], precision=precision, **RECIPE), 0, None
    while outcome is None:
        try:
            outcome = laboratory.train(trial, 6, should_stop=stop_after(4))
        except Stopped:
            stops += 1
    digest, rows = straight(backbone, precision)

    assert stops >= 6
    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows


class Killed(BaseException):
    """Like SIGKILL, but as an exception: nothing is saved."""


@BOTH
def test_a_trial_killed_in_mid_epoch_goes_on_from_the_middle_and_is_the_same(
    prepared: Callable[[], Laboratory], straight: Any, backbone: str, precision: str
) -> None:
    """Checkpoints by time: the second attempt resumes within the epoch, not at its start."""
    laboratory = prepared()
    trial = laboratory.trial(backbone, [6], precision=precision, **RECIPE)
    folder = laboratory.store.trial_folder(trial) / "checkpoints"

    def struck() -> bool:
        time.sleep(0.2)
        if any(found.step for found in listed(folder)):
            raise Killed
        return False

    with pytest.raises(Killed):
        laboratory.train(trial, 6, should_stop=struck, checkpoint_every_s=0.0)
    middle = max(listed(folder))
    laboratory.told.clear()
    outcome = laboratory.train(trial, 6, checkpoint_every_s=None)
    first = next(told for told in laboratory.told if told["phase"] == "train")
    digest, rows = straight(backbone, precision)

    assert middle.step > 0
    assert first["epoch"] == middle.epoch + 1
    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows
    assert not any(found.step for found in listed(folder))


def in_a_process_of_its_own(order: dict[str, Any], answers: Any) -> None:
    """What a worker's child does."""
    answers.put(entrypoint.main(order, lambda message: None, lambda: False))


@pytest.mark.long
def test_fresh_processes_give_the_same_too(
    prepared: Callable[[], Laboratory], straight: Any
) -> None:
    """Nothing in the memory of a process is needed by the next one."""
    laboratory, context = prepared(), multiprocessing.get_context("spawn")
    trial = laboratory.trial("scratch", [3, 6], precision="bf16", **RECIPE)
    for epoch in (3, 6):
        task = Task("train", trial, epoch)
        order, answers = laboratory.order(task), context.Queue()
        child = context.Process(target=in_a_process_of_its_own, args=(order.as_dict(), answers))
        child.start()
        outcome = answers.get(timeout=120)
        child.join(30)
        laboratory.store.publish_result(task, outcome, Path(order.work_folder), lambda: True)
    digest, rows = straight("scratch", "bf16")

    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows


def test_a_rotten_newest_checkpoint_costs_an_epoch_and_changes_nothing(
    prepared: Callable[[], Laboratory], straight: Any
) -> None:
    """The previous one is used, and the trial continues as it would have."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [4, 6], precision="fp32", **RECIPE)
    path = laboratory.store.root / laboratory.train(trial, 4)["checkpoint"]
    path.write_bytes(path.read_bytes()[:-1000])
    outcome = laboratory.train(trial, 6)
    digest, rows = straight("squeezenet", "fp32")

    assert outcome["weights_digest"] == digest
    assert rows_of(laboratory, trial) == rows


def test_a_mark_added_later_is_reached_without_touching_what_is_there(
    prepared: Callable[[], Laboratory], straight: Any
) -> None:
    """A second run needs epoch 3 of a trial trained to 6: the same trial, and no row is published
    twice.
    """
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [6], precision="fp32", **RECIPE)
    laboratory.train(trial, 6)
    laboratory.trial("squeezenet", [3, 6], precision="fp32", **RECIPE)
    early = laboratory.train(trial, 3)
    laboratory.evaluate(trial, 3)
    laboratory.evaluate(trial, 6)

    assert set(early["files"]) == {"validation_predictions.parquet"}
    assert early["weights_digest"] != straight("squeezenet", "fp32")[0]
    assert rows_of(laboratory, trial) == straight("squeezenet", "fp32")[1]
