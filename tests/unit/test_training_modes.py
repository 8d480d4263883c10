"""Every setting of a recipe gives the same line of epochs however it is divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from support import tiny_network  # noqa: E402
from support.learning import Laboratory, stop_after  # noqa: E402

from jobs.errors import Stopped  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.task import Task  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.evaluation import restore  # noqa: E402
from models.training.inference import validate  # noqa: E402

TIMES = ("seconds", "images_per_second", "period")
MODES: dict[str, dict[str, Any]] = {
    "flip": {"augment": "flip"},
    "crop-flip": {"augment": "crop-flip"},
    "random-resized-crop": {"augment": "random-resized-crop"},
    "randaugment": {"augment": "randaugment"},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
    "all at once": {
        "augment": "random-resized-crop",
        "mixup": 0.2,
        "cutmix": 1.0,
        "freeze_batch_norm": True,
        "head_learning_rate": 0.2,
    },
    "head": {"finetune": "head"},
    "head in bf16": {"finetune": "head", "precision": "bf16"},
    "frozen batch norm": {"freeze_batch_norm": True},
    "head learning rate": {"head_learning_rate": 0.2},
    "adamw": {"optimiser": "adamw", "learning_rate": 0.01},
    "weight decay": {"weight_decay": 0.1},
    "clipped": {"clip_norm": 0.1},
    "label smoothing": {"label_smoothing": 0.2},
    "plateau, warmed": {"plateau_patience": 0, "warmup_epochs": 3},
    "cosine": {"schedule": "cosine", "horizon_epochs": 6, "warmup_epochs": 1},
    "all of the recipe": {
        "optimiser": "adamw",
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "clip_norm": 0.5,
        "label_smoothing": 0.1,
        "schedule": "cosine",
        "horizon_epochs": 8,
        "warmup_epochs": 2,
        "head_learning_rate": 0.02,
        "augment": "random-resized-crop",
        "mixup": 0.2,
    },
    "ema": {"ema": 0.99},
    "class weights": {"class_weights": {"a": 3.0}},
    "best": {"keep": "best", "learning_rate": 0.2},
    "average, weights, best": {
        "ema": 0.9,
        "keep": "best",
        "class_weights": {"a": 2.0, "b": 0.5},
        "label_smoothing": 0.1,
        "mixup": 0.2,
        "optimiser": "adamw",
        "learning_rate": 0.02,
        "early_stop": 5,
    },
    "head, average, best": {"finetune": "head", "ema": 0.9, "keep": "best"},
    "head, adamw, cosine": {
        "finetune": "head",
        "optimiser": "adamw",
        "schedule": "cosine",
        "horizon_epochs": 6,
        "clip_norm": 0.5,
    },
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalog with a small network; torch is reset to one thread."""
    tiny_network.add(monkeypatch)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in three classes."""
    folder = tmp_path_factory.mktemp("data") / "noise"
    rng = np.random.default_rng(1)
    for label in "abc":
        (folder / label).mkdir(parents=True)
        for number in range(15):
            pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def make(pictures: Path, tmp_path: Path) -> Callable[[str, bool], Laboratory]:
    """Makes laboratories, each with the data set prepared."""

    def made(name: str, margin: bool = False) -> Laboratory:
        laboratory = Laboratory.of(tmp_path / name, pictures, image_size=32, margin=margin)
        laboratory.prepare()
        return laboratory

    return made


def rows_of(laboratory: Laboratory, trial: str) -> list[dict[str, Any]]:
    """The published rows of a trial without their times."""
    rows = tables.read_rows(laboratory.store.root, "epochs", [trial]).sort_by("epoch").to_pylist()
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def answers_of(laboratory: Laboratory, trial: str, epoch: int) -> list[dict[str, Any]]:
    """The published answers to the validation images at a target epoch, without the period."""
    place = tables.table_folder("validation_predictions", trial)
    table = laboratory.store.root / place / f"e{epoch:04d}.parquet"
    rows = tables.read_table(table, tables.SCHEMAS["validation_predictions"]).to_pylist()
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


@pytest.mark.parametrize("mode", MODES)
def test_a_trial_is_one_line_however_it_is_divided(mode: str, make: Any) -> None:
    """Three periods of two epochs, and six epochs stopped again and again, are six at once.

    So are the answers to the validation images, which a checkpoint keeps.
    """
    outcomes, stops = [], 0
    for name, marks in (("calm", [6]), ("periods", [2, 4, 6]), ("stopped", [6])):
        laboratory = make(name, "random-resized-crop" in MODES[mode].values())
        recipe = {"batch_size": 8, "learning_rate": 0.05, **MODES[mode]}
        trial = laboratory.trial("tiny", marks, **recipe)
        for period, epoch in enumerate(marks, 1):
            done = None
            while done is None:
                stop = stop_after(5) if name == "stopped" else lambda: False
                try:
                    done = laboratory.train(trial, epoch, should_stop=stop, period=period)
                except Stopped:
                    stops += 1
        assert done is not None
        answers = answers_of(laboratory, trial, 6)
        outcomes.append((done["weights_digest"], rows_of(laboratory, trial), answers))

    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert stops >= 5


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}], ids=str)
def test_the_network_tested_is_that_of_the_best_epoch(settings: Any, make: Any) -> None:
    """Its validation loss is the lowest of all epochs so far; it is what evaluations restore.

    They hold it once, without an average beside it that nothing would use.
    """
    laboratory = make("best")
    recipe = {"batch_size": 8, "learning_rate": 0.3, "keep": "best", **settings}
    trial = laboratory.trial("tiny", [2, 6], **recipe)
    for epoch in (2, 6):
        laboratory.train(trial, epoch)
        losses = [row["val_loss"] for row in rows_of(laboratory, trial)]
        data = Data.load(laboratory.store, laboratory.data)
        kept = restore.learner(laboratory.store, Task("train", trial, epoch), 3, "cpu")

        validation = validate(kept, data, epoch, lambda done: None)
        right = [row["label"] == row["predicted"] for row in answers_of(laboratory, trial, epoch)]

        assert kept.average is None
        assert validation.loss == pytest.approx(min(losses))
        assert sum(right) / len(right) == pytest.approx(validation.accuracy)
    assert losses[-1] > min(losses)


def test_every_mode_trains_another_network(make: Any) -> None:
    """No setting is without effect."""
    digests = {}
    laboratories = {False: make("centre"), True: make("margin", True)}
    for mode, settings in {"none": {}, **MODES}.items():
        laboratory = laboratories["random-resized-crop" in settings.values()]
        recipe = {"batch_size": 8, "learning_rate": 0.05, **settings}
        trial = laboratory.trial("tiny", [1], **recipe)
        digests[mode] = laboratory.train(trial, 1)["weights_digest"]

    assert len(set(digests.values())) == len(digests)
