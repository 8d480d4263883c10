"""An evaluation stores every prediction and uses the checkpoint that its training named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after

from jobs.data import image_folder
from jobs.errors import BadCheckpoint, Stopped
from jobs.spec.model import DataSettings
from jobs.store import tables
from jobs.task import Task


@pytest.fixture
def laboratory(animal_folder: Path, tmp_path: Path) -> Laboratory:
    """A store whose data set is prepared at 32 pixels."""
    made = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    made.prepare()
    return made


@pytest.fixture
def trial(laboratory: Laboratory) -> str:
    """A trial trained for two epochs, both of them target epochs."""
    name = laboratory.trial("squeezenet", [1, 2], batch_size=8, learning_rate=0.01)
    laboratory.train(name, 1)
    laboratory.train(name, 2)
    return name


def read(laboratory: Laboratory, table: str, trial: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    rows: list[dict[str, Any]] = tables.read_rows(laboratory.store.root, table, [trial]).to_pylist()
    return rows


def test_the_row_is_the_sum_of_the_answers(laboratory: Laboratory, trial: str) -> None:
    """Correct, total and accuracy follow from the predictions, one for each test image."""
    outcome = laboratory.evaluate(trial, 2, period=2)
    (row,) = read(laboratory, "evaluations", trial)
    answers = read(laboratory, "predictions", trial)

    assert (
        row["correct"]
        == outcome["correct"]
        == sum(each["label"] == each["predicted"] for each in answers)
    )
    assert row["total"] == outcome["total"] == len(answers) == 12
    assert row["accuracy"] == outcome["accuracy"] == row["correct"] / 12
    assert (row["period"], row["epoch"], row["corruption"], row["severity"]) == (2, 2, "none", 0)


def test_each_answer_is_consistent(laboratory: Laboratory, trial: str) -> None:
    """Rank 0 means correct; the prediction has the highest confidence; the label is the image's
    folder.
    """
    laboratory.evaluate(trial, 1)
    answers = read(laboratory, "predictions", trial)

    for each in answers:
        assert (each["label_rank"] == 0) == (each["label"] == each["predicted"])
        assert each["image"].startswith(each["label"] + "/")
        assert 0 < each["label_confidence"] <= each["confidence"] <= 1
    assert len({each["image"] for each in answers}) == 12


def test_the_checkpoint_of_the_epoch_is_used_not_the_newest(
    laboratory: Laboratory, trial: str
) -> None:
    """Evaluating epoch 1 after epoch 2 was trained gives the predictions of epoch 1."""
    late = laboratory.evaluate(trial, 1)
    other = Laboratory(laboratory.store, laboratory.data)
    again = other.trial("squeezenet", [1], batch_size=8, learning_rate=0.01, plateau_factor=0.2)
    other.attempts = 100
    other.train(again, 1)
    early = other.evaluate(again, 1)

    assert late["loss"] == early["loss"]
    assert laboratory.evaluate(trial, 2)["loss"] != late["loss"]


def test_an_evaluation_of_an_untrained_epoch_is_refused(laboratory: Laboratory, trial: str) -> None:
    """There is nothing to evaluate."""
    with pytest.raises(BadCheckpoint, match="not trained up to epoch 3"):
        laboratory.evaluate(trial, 3)


def test_a_rotten_checkpoint_is_not_evaluated(laboratory: Laboratory, trial: str) -> None:
    """Its checksum is verified; no result comes from it."""
    done = laboratory.store.done(Task("train", trial, 2))
    assert done is not None
    path = laboratory.store.root / str(done.checkpoint)
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(bytes(contents))
    with pytest.raises(BadCheckpoint, match="is damaged"):
        laboratory.evaluate(trial, 2)


def test_a_stopped_evaluation_publishes_nothing(laboratory: Laboratory, trial: str) -> None:
    """It starts from the beginning when it is resumed."""
    with pytest.raises(Stopped):
        laboratory.evaluate(trial, 1, should_stop=stop_after(0))

    assert read(laboratory, "evaluations", trial) == []


def test_other_data_are_tested_whole_with_the_classes_of_the_trial(
    laboratory: Laboratory, trial: str, animal_folder: Path, tmp_path: Path
) -> None:
    """The same images under another order of classes, one of them unknown, give the same answers.

    The tables of the trial's own test images have no row of them.
    """
    own = laboratory.evaluate(trial, 2)
    labels = sorted(path.name for path in animal_folder.iterdir())
    for label in labels:
        name = "aardvark" if label == labels[-1] else label
        shutil.copytree(animal_folder / label, tmp_path / "other" / name)
    source = image_folder.read_folder(tmp_path / "other")
    settings = DataSettings(image_size=32, test_only=True)
    data = source.data_id(settings)
    laboratory.store.save_data(data, source, settings)
    laboratory.do(Task("prepare", data))

    outcome = laboratory.do(Task("evaluate", trial, 2, data=data))
    known = {row["image"]: row["predicted"] for row in read(laboratory, "predictions", trial)}
    others = read(laboratory, "other_predictions", trial)
    again = {row["image"]: row["predicted"] for row in others if row["image"] in known}

    assert (
        outcome["total"] == len(others) == sum(not e.path.startswith("aa") for e in source.entries)
    )
    assert again == {image: said for image, said in known.items() if image in again}
    assert len(again) > 3
    assert len(read(laboratory, "evaluations", trial)) == 1
    assert own["total"] == 12
