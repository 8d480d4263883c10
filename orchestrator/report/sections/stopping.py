"""What early stopping goes by, in words."""

from __future__ import annotations

from jobs.catalog.metrics import STOPPING_DEFAULT, chosen
from jobs.spec.model import Spec
from orchestrator.report.rendering import wording


def told(spec: Spec) -> str:
    """When early stopping ends a training."""
    if spec.early_stop is None:
        return "none"
    return f"after {wording.count(spec.early_stop, 'epoch')} without a {better(spec)}"


def by(spec: Spec) -> str:
    """` by validation macro F1`; empty for the loss."""
    if chosen(spec.early_stop_metric).name == STOPPING_DEFAULT:
        return ""
    return f" by {better(spec).split(' ', 1)[1]}"


def better(spec: Spec) -> str:
    """`lower validation loss`, `higher validation macro F1`."""
    metric = chosen(spec.early_stop_metric)
    if metric.name == STOPPING_DEFAULT:
        return "lower validation loss"
    noun = wording.noun(metric).removeprefix("test ")
    return f"{'higher' if metric.higher_is_better else 'lower'} validation {noun}"


def best(spec: Spec) -> str:
    """`lowest validation loss`, `highest validation macro F1`."""
    improved, rest = better(spec).split(" ", 1)
    return f"{improved.removesuffix('er')}est {rest}"
