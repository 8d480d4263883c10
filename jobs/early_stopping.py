"""Rules that go by the epochs of a trial: when it stops early, and which epoch is the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jobs.catalog.metrics import chosen, worth

if TYPE_CHECKING:
    from jobs.spec.recipe import Recipe


def stop_epoch(
    values: Iterable[float | None], patience: int | None, higher_is_better: bool = False
) -> int | None:
    """The first epoch (from 1) at which the best value is `patience` epochs old, or None.

    Values are of the validation images, by default losses. The decision depends only on the epochs
    up to that one, so the division into periods does not matter. Source: Prechelt 1998 (Neural
    Networks: Tricks of the Trade, LNCS 1524:55-69), criterion UP without strips.
    """
    best, best_epoch = float("inf"), 0
    for epoch, value in enumerate(values, 1):
        loss = -value if higher_is_better and value is not None else value
        if loss is not None and loss < best:
            best, best_epoch = loss, epoch
        elif patience is not None and epoch - best_epoch >= patience:
            return epoch
    return None


def stop_of(rows: Iterable[Mapping[str, Any]], recipe: Recipe) -> int | None:
    """The epoch at which early stopping ends a trial with these rows of epochs, or None."""
    metric = chosen(recipe.early_stop_metric)
    values = (worth(metric, row) for row in rows)
    return stop_epoch(values, recipe.early_stop, metric.higher_is_better)


def best_row(rows: Iterable[Mapping[str, Any]], recipe: Recipe) -> int | None:
    """The place of the epoch that `keep: best` keeps; the first of equals, None without a value."""
    metric, place, best = chosen(recipe.early_stop_metric), None, float("-inf")
    for number, row in enumerate(rows):
        value = worth(metric, row)
        if value is not None and metric.sign * value > best:
            place, best = number, metric.sign * value
    return place
