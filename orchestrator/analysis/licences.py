"""The licence of the weights that a network began with: stated by its source, never guessed."""

from __future__ import annotations

from jobs.catalog.licences import NONE_USED, UNKNOWN
from jobs.task import Trial


def licence(trial: Trial, stated: str | None) -> str:
    """The licence of a trial's initial weights; `stated` is what its library says, if known."""
    if trial.weights == "none":
        return NONE_USED
    return stated or UNKNOWN
