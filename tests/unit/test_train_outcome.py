"""What a training leaves: its outcome, its checkpoints, its recorded numerics, its progress."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory  # noqa: E402
from support.noise_laboratories import noise_laboratories  # noqa: E402

from jobs.store import tables  # noqa: E402
from models.checkpoints.files import listed  # noqa: E402

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


def test_checkpoints_within_an_epoch_are_made_by_time_and_only_when_asked_for(
    prepared: Callable[[], Laboratory],
) -> None:
    """With `never` none, with an hour none in a short epoch, with an interval of 0 s some."""
    made: dict[float | None, int] = {}
    for every_s in (None, 3600.0, 0.0):
        laboratory = prepared()
        trial, steps = laboratory.trial("squeezenet", [1], **RECIPE), set[int]()

        def look(
            trial: str = trial, laboratory: Laboratory = laboratory, steps: set[int] = steps
        ) -> bool:
            time.sleep(0.15)
            steps |= {
                found.step for found in listed(laboratory.store.trial_folder(trial) / "checkpoints")
            }
            return False

        laboratory.train(trial, 1, should_stop=look, checkpoint_every_s=every_s)
        made[every_s] = len(steps - {0})

    assert made[None] == made[3600.0] == 0
    assert made[0.0] >= 1


def test_another_seed_is_another_trial(prepared: Callable[[], Laboratory]) -> None:
    """Other initial weights, other order, other results."""
    laboratory = prepared()
    digests = {
        laboratory.train(laboratory.trial("squeezenet", [1], seed=seed, **RECIPE), 1)[
            "weights_digest"
        ]
        for seed in (0, 1)
    }

    assert len(digests) == 2


def test_the_outcome_says_what_was_done_and_where_it_lies(
    prepared: Callable[[], Laboratory],
) -> None:
    """Facts, one file of rows, a checkpoint that exists, times of this period only."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1, 3], precision="bf16", **RECIPE)
    laboratory.train(trial, 1)
    outcome = laboratory.train(trial, 3, period=2)
    rows = tables.read_rows(laboratory.store.root, "epochs", [trial]).sort_by("epoch").to_pylist()

    assert list(outcome["files"]) == ["epochs-0002-0003.parquet", "validation_predictions.parquet"]
    assert (outcome["epoch"], outcome["precision"], outcome["threads"], outcome["device"]) == (
        3,
        "bf16",
        1,
        "cpu",
    )
    assert (laboratory.store.root / outcome["checkpoint"]).is_file()
    assert outcome["seconds"] == pytest.approx(rows[1]["seconds"] + rows[2]["seconds"])
    assert [row["period"] for row in rows] == [1, 2, 2]
    assert all(row["images_per_second"] > 0 and 0 <= row["val_accuracy"] <= 1 for row in rows)


def test_old_checkpoints_go_and_marks_stay(prepared: Callable[[], Laboratory]) -> None:
    """After five epochs with a target epoch at 2: that one and the newest two."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [2, 5], **RECIPE)
    laboratory.train(trial, 2)
    laboratory.train(trial, 5)
    kept = sorted(
        found.epoch for found in listed(laboratory.store.trial_folder(trial) / "checkpoints")
    )

    assert kept == [2, 4, 5]


def test_precision_and_threads_of_the_first_attempt_are_kept(
    prepared: Callable[[], Laboratory],
) -> None:
    """A later attempt on a machine with more threads uses the recorded number."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1], precision="auto", **RECIPE)
    numerics = laboratory.store.trial_folder(trial) / "numerics.json"
    numerics.write_text(
        json.dumps({"precision": "bf16", "threads": 2, "device": "cpu", "weights_sha256": None})
    )
    outcome = laboratory.train(trial, 1)

    assert (outcome["precision"], outcome["threads"]) == ("bf16", 2)


def test_progress_is_told_of_every_phase(prepared: Callable[[], Laboratory]) -> None:
    """Epoch of epochs, images of images, loss, speed and the time left."""
    laboratory = prepared()
    laboratory.train(laboratory.trial("squeezenet", [2], **RECIPE), 2)
    training = [told for told in laboratory.told if told["phase"] == "train"]
    last = [told for told in laboratory.told if told["phase"] == "validate"][-1]

    assert {told["epoch"] for told in training} == {1, 2}
    assert training[-1].keys() >= {"done", "total", "epochs", "loss", "images_per_second", "eta_s"}
    assert (last["done"], last["total"], last["epochs"]) == (6, 6, 2)


def test_the_log_says_which_threads_a_trial_keeps(
    prepared: Callable[[], Laboratory], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the submission planned others than the worker has: sums depend on them."""
    laboratory = prepared()
    trial = laboratory.trial("squeezenet", [1], precision="fp32", **RECIPE)
    laboratory.train(trial, 0)
    told_of_none = capsys.readouterr().err
    record = laboratory.store.numerics_path(trial)
    record.write_text(json.dumps(json.loads(record.read_text()) | {"threads": 2}))

    laboratory.train(trial, 1)

    assert "computes with" not in told_of_none
    assert "this trial computes with 2 thread(s) in fp32" in capsys.readouterr().err
