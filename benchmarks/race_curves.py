"""Which held-out images each network has right after each period, recorded or modelled.

`python benchmarks/race_curves.py STORE RUN [RUN ...]` records them from finished runs: validation
and test images together, as no network was trained on either.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from jobs import plan
from jobs.spec import decided
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store

RECORDED = Path(__file__).parent / "race_curves.json"
Right = np.ndarray[Any, np.dtype[np.bool_]]
STUDY = {
    "scratch": (9_678 / 12_183, 11_710 / 12_183),
    "alexnet": (11_457 / 12_183, 11_814 / 12_183),
    "mobilenet-v3": (11_571 / 12_183, 11_899 / 12_183),
    "squeezenet": (11_336 / 12_183, 11_663 / 12_183),
    "squeezenet-finetuned": (11_432 / 12_183, 11_738 / 12_183),
    "vgg16": (11_793 / 12_183, 11_826 / 12_183),
    "resnet34": (11_937 / 12_183, 11_960 / 12_183),
}
"""Accuracies after 10 and 30 epochs as the study reported them."""
SHARED, LASTING = 0.6, 0.25
"""Shares of an image's difficulty: the same for all networks, and lasting for one network."""


@dataclass(frozen=True)
class Curves:
    """Images right, as (epochs, images), of each network; `validation` of them are that."""

    name: str
    right: Mapping[str, Right]
    validation: int
    epochs_a_period: int = 1

    @property
    def epochs(self) -> int:
        """Epochs of each network."""
        return len(next(iter(self.right.values())))

    @property
    def periods(self) -> int:
        """Periods of each network."""
        return self.epochs // self.epochs_a_period

    @property
    def final(self) -> dict[str, float]:
        """The accuracy of each network after the last period, over all images."""
        return {name: float(rows[-1].mean()) for name, rows in self.right.items()}

    def drawn(self, rng: np.random.Generator) -> tuple[dict[str, Right], dict[str, Right]]:
        """Another split of the same images into validation and test images."""
        images = next(iter(self.right.values())).shape[1]
        order = rng.permutation(images)
        own, test = order[: self.validation], order[self.validation :]
        return (
            {name: rows[:, own] for name, rows in self.right.items()},
            {name: rows[:, test] for name, rows in self.right.items()},
        )


def of_study(
    rng: np.random.Generator, validation: int = 6_091, without: str = "", epochs: int = 30
) -> Curves:
    """The study's networks over ten periods of three epochs, with its number of test images.

    Only two points of each curve are published, so the others are on the power law of the error
    through both. Which images are right is drawn, with difficulties that networks share in part.
    """
    images = validation + 12_183
    hard = math.sqrt(SHARED) * rng.standard_normal(images)
    right = {}
    for name, (early, late) in STUDY.items():
        if name == without:
            continue
        slope = math.log((1 - early) / (1 - late)) / math.log(3)
        errors = np.clip((1 - late) * (np.arange(1, epochs + 1) / 30) ** -slope, 0, 0.95)
        own = math.sqrt(LASTING) * rng.standard_normal(images)
        fresh = rng.standard_normal((epochs, images)) * math.sqrt(1 - SHARED - LASTING)
        right[name] = hard + own + fresh < special.ndtri(1 - errors)[:, None]
    left_out = f" without {without}" if without else ""
    return Curves(f"study{left_out}", right, validation, 3)


def recorded(path: Path = RECORDED) -> Curves:
    """The curves in a file."""
    told = json.loads(path.read_text())
    images = told["images"]
    right = {
        name: np.array([_unpacked(row, images) for row in rows])
        for name, rows in told["networks"].items()
    }
    return Curves(told["name"], right, told["validation"], told["epochs_a_period"])


def record(store: Store, runs: Sequence[Run], name: str, path: Path) -> None:
    """Write the curves of all networks of these runs, over the images that all have answered."""
    answers = {label: rows for run in runs for label, rows in _of_run(store, run).items()}
    common = sorted(set.intersection(*(set(rows[0]) for rows in answers.values())))
    validation = len(_answers(store, runs[0].trials[0], runs[0].epoch_of(1), VALIDATION))
    networks = {
        label: [_packed([row[image] for image in common]) for row in rows]
        for label, rows in answers.items()
    }
    epochs = runs[0].spec.epochs_per_period
    told: dict[str, Any] = {"name": name, "images": len(common)}
    told |= {"validation": validation, "epochs_a_period": epochs}
    path.write_text(json.dumps(told | {"networks": networks}, indent=1) + "\n")


VALIDATION, TEST = "validation_predictions", "predictions"


def _of_run(store: Store, run: Run) -> dict[str, list[dict[str, bool]]]:
    """Which images each network of a run has right after each of its periods."""
    curves = {}
    for name in run.trials:
        trial = store.load_trial(name)
        label = decided.contender(run.spec, trial.backbone, plan.setting_of(run.spec, trial))
        epochs = map(run.epoch_of, range(1, run.spec.periods + 1))
        curves[label] = [
            _answers(store, name, epoch, VALIDATION) | _answers(store, name, epoch, TEST)
            for epoch in epochs
        ]
    return curves


def _answers(store: Store, trial: str, epoch: int, table: str) -> dict[str, bool]:
    path = store.root / tables.table_folder(table, trial) / f"e{epoch:04d}.parquet"
    rows = tables.read_table(path, tables.SCHEMAS[table], ["image", "label_rank"]).to_pylist()
    return {row["image"]: row["label_rank"] == 0 for row in rows}


def _packed(right: Sequence[bool]) -> str:
    return np.packbits(np.array(right, np.bool_)).tobytes().hex()


def _unpacked(text: str, images: int) -> Right:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))
    return bits[:images].astype(np.bool_)


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("store", type=Path)
    given.add_argument("runs", nargs="+")
    given.add_argument("--name", default="animals22")
    given.add_argument("--out", type=Path, default=RECORDED)
    asked = given.parse_args()
    where = Store(asked.store.absolute()).open()
    chosen = [where.load_run(name) for name in asked.runs]
    record(where, chosen, asked.name, asked.out)
