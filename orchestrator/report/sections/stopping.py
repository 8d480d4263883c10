"""What early stopping goes by, in words."""

from __future__ import annotations

from jobs.catalog.metrics import STOPPING_DEFAULT, chosen
from jobs.spec.recipe import Recipe
from orchestrator.report.rendering import wording


def told(recipe: Recipe) -> str:
    """When early stopping ends a training."""
    if recipe.early_stop is None:
        return "none"
    return f"after {wording.count(recipe.early_stop, 'epoch')} without a {better(recipe)}"


def by(recipe: Recipe) -> str:
    """` by validation macro F1`; empty for the loss."""
    if chosen(recipe.early_stop_metric).name == STOPPING_DEFAULT:
        return ""
    return f" by {better(recipe).split(' ', 1)[1]}"


def better(recipe: Recipe) -> str:
    """`lower validation loss`, `higher validation macro F1`."""
    metric = chosen(recipe.early_stop_metric)
    if metric.name == STOPPING_DEFAULT:
        return "lower validation loss"
    noun = wording.noun(metric).removeprefix("test ")
    return f"{'higher' if metric.higher_is_better else 'lower'} validation {noun}"


def best(recipe: Recipe) -> str:
    """`lowest validation loss`, `highest validation macro F1`."""
    improved, rest = better(recipe).split(" ", 1)
    return f"{improved.removesuffix('er')}est {rest}"
