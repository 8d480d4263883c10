"""Overfitting: the best epoch of each trial, and the epochs early stopping would have saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.early_stopping import stop_epoch
from orchestrator.analysis.standings import EpochRow

PATIENCE = 3
"""Patience, in epochs, of the early stopping that the advice assumes."""

FALL = 0.01
"""Share by which the last validation loss must be lower to count as still falling."""


@dataclass(frozen=True, slots=True)
class OverfittingAdvice:
    """Advice for one trial. Gaps are validation minus training loss (nats per image).

    `overfits_from` is the first epoch after the best one, where validation loss ended higher while
    training loss ended lower; else None. `stopped_at` is where a patience of `PATIENCE` would have
    ended it.
    """

    trial: str
    backbone: str
    seed: int
    epochs: int
    best_epoch: int
    best_loss: float
    last_loss: float
    gap_at_best: float | None
    gap_at_end: float | None
    overfits_from: int | None
    stopped_at: int
    saved_epochs: int
    saved_seconds: float
    best_kept: bool


def advise(rows: Sequence[EpochRow], patience: int = PATIENCE) -> OverfittingAdvice | None:
    """Advice from the epochs of a trial, by the rule of `--early-stop`; None without validation."""
    known = sorted((row for row in rows if row.val_loss is not None), key=lambda row: row.epoch)
    if not known:
        return None
    best, last = min(known, key=_loss), known[-1]
    end = _stop(rows, known, patience)
    after = [row for row in known if row.epoch > end.epoch]
    worse = last.epoch > best.epoch and _loss(last) > _loss(best)
    learning = (
        best.train_loss is not None
        and last.train_loss is not None
        and last.train_loss < best.train_loss
    )
    return OverfittingAdvice(
        last.trial,
        last.backbone,
        last.seed,
        last.epoch,
        best.epoch,
        _loss(best),
        _loss(last),
        _gap(best),
        _gap(last),
        best.epoch + 1 if worse and learning else None,
        end.epoch,
        len(after),
        math.fsum(row.seconds or 0.0 for row in after),
        end.epoch >= best.epoch,
    )


def still_falling(rows: Sequence[EpochRow]) -> bool:
    """Whether a trial's last validation loss is clearly (`FALL`) below all earlier ones."""
    known = sorted((row for row in rows if row.val_loss is not None), key=lambda row: row.epoch)
    if len(known) < 2:
        return False
    return _loss(known[-1]) < (1 - FALL) * min(map(_loss, known[:-1]))


def _stop(rows: Sequence[EpochRow], known: Sequence[EpochRow], patience: int) -> EpochRow:
    """The epoch at which early stopping with that patience ends the training."""
    losses = {row.epoch: row.val_loss for row in rows}
    epoch = stop_epoch((losses.get(each) for each in range(1, known[-1].epoch + 1)), patience)
    return next((row for row in known if epoch is not None and row.epoch >= epoch), known[-1])


def _loss(row: EpochRow) -> float:
    return row.val_loss if row.val_loss is not None else math.inf


def _gap(row: EpochRow) -> float | None:
    return None if row.val_loss is None or row.train_loss is None else row.val_loss - row.train_loss
