"""The network of a trial: its image size, own files, weights, and how images are normalised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from jobs.spec.networks import STUDY, Colour
from jobs.store.network_files import network_file
from jobs.store.store import Store
from jobs.task import Trial
from models.networks import build


class Normalisation(NamedTuple):
    """Mean and deviation of red, green and blue, from 0 to 1."""

    mean: Colour = STUDY.mean
    deviation: Colour = STUDY.deviation


def normalisation_of(trial: Trial) -> Normalisation:
    """How the trial's network wants images to be normalised."""
    if trial.network is None:
        return Normalisation()
    return Normalisation(trial.network.mean, trial.network.deviation)


def weights_of(store: Store, trial: Trial, weights_dir: str | None) -> Path | None:
    """The file of weights that a trial begins with; None for random values.

    Raises `MissingWeights`, or `StoreUnusable` where an own file is gone.
    """
    if trial.network is not None and trial.network.weights is not None:
        return network_file(store, trial.network.weights)
    if trial.weights != "imagenet":
        return None
    return build.find_weights(trial.backbone, Path(weights_dir) if weights_dir else None)


def begun(store: Store, trial: Trial, classes: int, weights: Path | None) -> nn.Module:
    """The network before its first step."""
    size, source = _inputs(store, trial)
    return build.build_network(trial.backbone, classes, trial.seed, weights, size, source)


def restored(store: Store, trial: Trial, classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    """The network with these values; raises `NetworkDiffers` if they do not fit."""
    size, source = _inputs(store, trial)
    return build.restored(trial.backbone, classes, dict(state), size, source)


def head_values(store: Store, trial: Trial, classes: int, network: nn.Module) -> frozenset[str]:
    """The names of the values of its last layer, where the recipe treats that apart; else none."""
    if trial.recipe.finetune == "full" and trial.recipe.head_learning_rate is None:
        return frozenset()
    from models.networks import linear_probe

    return linear_probe.head_values(trial.backbone, network, classes, *_inputs(store, trial))


def _inputs(store: Store, trial: Trial) -> tuple[int, Path | None]:
    size = store.described(trial.data).settings.image_size
    own = trial.network.source if trial.network is not None else None
    return size, None if own is None else network_file(store, f"{own}.py")
