"""Check the networks of trials before any of them is trained, in a run's first task."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jobs.catalog.backbones import CATALOG
from jobs.spec.networks import Preparation
from jobs.store.network_files import network_file
from jobs.store.store import Store
from jobs.task import Trial
from models.networks import check, of_trial, weights


def check_trials(
    store: Store, trials: Iterable[Trial], classes: int, image_size: int, weights_dir: str | None
) -> None:
    """Raise the `OrchError` of the first network that cannot be trained, or lacks its weights.

    All files of torchvision that are missing for the catalog are named at once.
    """
    first = {trial.backbone: trial for trial in trials}
    directory = Path(weights_dir) if weights_dir else None
    usual = [
        name for name, trial in first.items() if trial.weights == "imagenet" and _in_catalog(trial)
    ]
    weights.require_weights(usual, directory)
    for trial in first.values():
        check.check(_request(store, trial, image_size), classes, directory)


def _in_catalog(trial: Trial) -> bool:
    own = trial.network.weights if trial.network is not None else None
    return own is None and trial.backbone in CATALOG


def _request(store: Store, trial: Trial, image_size: int) -> check.NetworkRequest:
    own = trial.network
    shown = of_trial.normalisation_of(trial)
    known = Preparation(image_size=image_size, mean=shown.mean, deviation=shown.deviation)
    return check.NetworkRequest(
        trial.backbone,
        known.model_dump(),
        None if own is None or own.source is None else str(network_file(store, f"{own.source}.py")),
        None if own is None or own.weights is None else str(network_file(store, own.weights)),
        trial.weights == "imagenet",
        finetune=trial.recipe.finetune,
    )
