"""What is published of the trials of a run after an epoch, for a decision to rest on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.catalog.metrics import METRICS, Metric, chosen, worth
from jobs.early_stopping import best_row
from jobs.errors import LossNotFinite
from jobs.racing.stopping_rule import Right
from jobs.store import tables
from jobs.store.ledger import Ledger
from jobs.store.store import Store
from jobs.task import Task

ANSWERS = "validation_predictions"


def state_of(store: Store, ledger: Ledger, trial: str, epoch: int) -> str:
    """`done`, `failed`, or `open` while the training to this epoch may still be published."""
    if ledger.is_done(Task("train", trial, epoch)):
        return "done"
    if ledger.has_failed(Task("prepare", store.load_trial(trial).data)):
        return "failed"
    targets = (each for each in store.target_epochs(trial) if each <= epoch)
    failed = any(ledger.has_failed(Task("train", trial, each)) for each in targets)
    return "failed" if failed else "open"


def diverged(store: Store, trial: str, epoch: int) -> bool:
    """Whether a training up to this epoch failed because its loss was not finite."""
    targets = (each for each in store.target_epochs(trial) if each <= epoch)
    failures = (store.failed(Task("train", trial, each)) for each in targets)
    return any(failure and failure.failure == LossNotFinite.failure for failure in failures)


def right(store: Store, trials: Sequence[str], epoch: int) -> Right | None:
    """Which validation images the trials of a network have right, as (seeds, images by path).

    None where the answers of one are not published, as in stores of earlier versions. Raises
    `DamagedFile`.
    """
    rows = [_right(store, trial, epoch) for trial in trials]
    known = [each for each in rows if each is not None]
    if len(known) < len(rows) or len({len(each) for each in known}) != 1:
        return None
    return np.stack(known)


def _right(store: Store, trial: str, epoch: int) -> Any:
    path = store.root / tables.table_folder(ANSWERS, trial) / f"e{epoch:04d}.parquet"
    if not path.exists():
        return None
    answers = tables.read_table(path, tables.SCHEMAS[ANSWERS], ["image", "label_rank"])
    ranks = answers.sort_by("image")["label_rank"].to_numpy()
    return ranks == 0


def validation(
    store: Store, trials: Sequence[str], epoch: int, metric: Metric
) -> tuple[float, float] | None:
    """Mean metric and loss over these trials, of the epochs whose networks are tested.

    None where one of them did not record the metric. Raises `DamagedFile`.
    """
    rows = [_tested_row(store, trial, epoch) for trial in trials]
    values = [None if row is None else worth(metric, row) for row in rows]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(rows):
        return None
    losses = [float(row["val_loss"]) for row in rows if row is not None]
    return sum(known) / len(known), sum(losses) / len(losses)


def errors(store: Store, trials: Sequence[str], epoch: int) -> list[float]:
    """Validation errors after each epoch up to this one, as means over these trials."""
    curves = [_errors(store, trial, epoch) for trial in trials]
    return [sum(each) / len(each) for each in zip(*curves, strict=False)]


def _errors(store: Store, trial: str, epoch: int) -> list[float]:
    """Those of one trial: with `keep: best` the least so far; flat where it stopped early."""
    values = [1 - float(row["val_accuracy"]) for row in _rows(store, trial, epoch)]
    if store.load_trial(trial).recipe.keep == "best":
        values = list(itertools.accumulate(values, min))
    return values if len(values) == epoch else values[-1:] * epoch


def _rows(store: Store, trial: str, epoch: int) -> list[dict[str, Any]]:
    """The rows of the epochs up to this one; fewer after early stopping."""
    rows = tables.read_rows(store.root, "epochs", [trial]).to_pylist()
    by_epoch = {row["epoch"]: row for row in rows}
    return [by_epoch[each] for each in sorted(by_epoch) if each <= epoch]


def _tested_row(store: Store, trial: str, epoch: int) -> dict[str, Any] | None:
    """The row of the epoch that is tested at a target epoch."""
    rows, recipe = _rows(store, trial, epoch), store.load_trial(trial).recipe
    place = best_row(rows, recipe) if recipe.keep == "best" else None
    return rows[-1 if place is None else place] if rows else None


def judging_metric(store: Store, trials: Sequence[str], epoch: int, leading: str) -> Metric:
    """The leading metric, or accuracy where trainings have not recorded it."""
    metric = chosen(leading)
    rows = (_tested_row(store, trial, epoch) for trial in trials)
    recorded = all(row is None or worth(metric, row) is not None for row in rows)
    return metric if recorded else METRICS["accuracy"]
