"""Runs that race or tune, with published validation answers as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import atomic, readiness
from jobs.store import decisions, tables
from jobs.store.decisions import Decisions
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from support.fakes import fill_store

IMAGES = 200
EPOCHS = 2
"""Epochs of a period."""


@dataclass(frozen=True)
class Race:
    """A run whose data set is prepared and whose periods of two epochs are published on demand."""

    store: Store
    run: Run

    def trained(
        self,
        backbone: str,
        period: int,
        right: int,
        seed: int = 0,
        before: int | None = None,
        **rate: float,
    ) -> str:
        """Publish a training that got the first `right` validation images right; its trial.

        `before` are those of the epoch before the last, by default as many.
        """
        trial = self.trial(backbone, seed, **rate)
        epoch = self.run.epoch_of(period)
        answers, name = rows_of(trial, epoch, right), tables.table_folder
        write(self.store, f"{name('validation_predictions', trial)}/e{epoch:04d}.parquet", answers)
        earlier = right if before is None else before
        curve = _epochs(trial, epoch, earlier / IMAGES, right / IMAGES)
        write(self.store, f"{name('epochs', trial)}/e{epoch:04d}.parquet", curve)
        self.done(Task("train", trial, epoch), epoch=epoch)
        return trial

    def done(self, task: Task, **facts: Any) -> None:
        """Record a task as done."""
        atomic.write_json(self.store.done_path(task), {"format": 1, "files": [], **facts})

    def failed(self, task: Task, failure: str) -> None:
        """Record a task as failed for good."""
        atomic.write_json(self.store.failed_path(task), {"failure": failure, "message": "it broke"})

    def trial(self, backbone: str, seed: int = 0, learning_rate: float | None = None) -> str:
        """The name of a trial, of the recipe's own learning rate unless another is given."""
        for name in self.run.trials:
            known = self.store.load_trial(name)
            wanted = (
                learning_rate or self.run.spec.lists_of(backbone).get("learning_rate", (0.001,))[0]
            )
            if (known.backbone, known.seed) == (backbone, seed) and (
                known.recipe.learning_rate == wanted
            ):
                return name
        raise AssertionError(f"no trial of {backbone} with seed {seed}")


def race_of(
    root: Path, backbones: tuple[str, ...], periods: int = 3, seeds: int = 1, **keys: Any
) -> Race:
    """A run with its data set prepared and nothing trained."""
    store, run = fill_store(
        root,
        backbones=list(backbones),
        periods=periods,
        epochs_per_period=EPOCHS,
        seeds=seeds,
        pixels=False,
        finished=lambda task: task.kind == "prepare",
        recipe=keys or {"race": True},
    )
    return Race(store, run)


def rows_of(trial: str, epoch: int, right: int) -> pa.Table:
    """Answers to the validation images, the first `right` of them right."""
    rows = [
        {
            "backbone": trial.split("-")[0],
            "seed": 0,
            "period": 1,
            "epoch": epoch,
            "image": f"{place:04d}.jpg",
            "label": "cat",
            "predicted": "cat" if place < right else "dog",
            "confidence": 0.9,
            "label_confidence": 0.9 if place < right else 0.1,
            "label_rank": int(place >= right),
            "recipe": "{}",
        }
        for place in range(IMAGES)
    ]
    return tables.build_table("validation_predictions", rows)


def write(store: Store, place: str, table: pa.Table) -> None:
    """Write a table of the store."""
    tables.write_table(store.root / place, table)


def _epochs(trial: str, epoch: int, before: float, accuracy: float) -> pa.Table:
    """Two epochs, up to this one."""
    rows: list[Mapping[str, Any]] = [
        {
            "backbone": trial.split("-")[0],
            "seed": 0,
            "period": 1,
            "epoch": each,
            "val_accuracy": value,
            "val_loss": 2 * (1 - value),
        }
        for each, value in ((epoch - 1, before), (epoch, accuracy))
    ]
    return tables.build_table("epochs", rows)


def images_right(right: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The same as (seeds, images) of one seed."""
    return (np.arange(IMAGES) < right)[None]


def ready(race: Race) -> set[str]:
    """The trainings that are ready, as network and epoch."""
    tasks = readiness.ready_tasks(race.store, race.run)
    return {f"{task.subject.split('-')[0]} {task.epoch}" for task in tasks if task.kind == "train"}


def known(race: Race) -> Decisions:
    """What is decided so far."""
    return decisions.read(race.store, race.run)
