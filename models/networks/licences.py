"""The licence of the weights that a trial begins with, as their library states it."""

from __future__ import annotations

from jobs.task import Trial
from models.networks import timm_networks


def of_network(label: str) -> str | None:
    """The licence of a network's weights where its library states it; torchvision states none."""
    library, _, name = label.partition(":")
    stated = timm_networks.description(name).get("license") if library == "timm" else None
    return None if stated is None else str(stated)


def of_trial(trial: Trial) -> str | None:
    """That of a trial's initial weights; None for random values and files of one's own."""
    own = trial.network is not None and trial.network.weights is not None
    return None if trial.weights == "none" or own else of_network(trial.backbone)
