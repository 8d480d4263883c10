"""The registry of schedules: how the learning rate changes after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


def _warm(recipe: Any) -> str:
    """What a report says of the warm-up, before what it says of the rest."""
    epochs = recipe.warmup_epochs
    return f"warm-up of {epochs:,} epoch{'' if epochs == 1 else 's'}, then " if epochs else ""


def _cosine(recipe: Any) -> str:
    return f"{_warm(recipe)}half a cosine to 0 after {recipe.horizon_epochs:,} epochs"


def _constant(recipe: Any) -> str:
    return f"{_warm(recipe)}constant"


def _plateau(recipe: Any) -> str:
    epochs = recipe.plateau_patience
    return _warm(recipe) + (
        f"multiplied by {recipe.plateau_factor:g} when the validation loss has not improved for "
        f"more than {epochs:,} epoch{'' if epochs == 1 else 's'}"
    )


class Schedule(NamedTuple):
    """One schedule.

    `make` is its class, as `module:class`; it takes the optimiser. `settings` maps its arguments to
    keys of the recipe; `fixed` are further arguments with their values. `watches_loss` says that
    its step takes the validation loss. `fixed_length` says that the number of epochs changes it,
    and so is part of the trial's name. `describe` says in a report what happens with a recipe.
    """

    name: str
    help: str
    make: str
    describe: Callable[[Any], str]
    settings: Mapping[str, str] = MappingProxyType({})
    fixed: Mapping[str, Any] = MappingProxyType({})
    watches_loss: bool = False
    fixed_length: bool = False


SCHEDULES: dict[str, Schedule] = {
    entry.name: entry
    for entry in (
        Schedule(
            name="plateau",
            help="multiply the learning rate when the validation loss no longer improves",
            make="models.training.lr_schedulers:plateau",
            describe=_plateau,
            settings={
                "factor": "plateau_factor",
                "patience": "plateau_patience",
                "warmup": "warmup_epochs",
            },
            watches_loss=True,
        ),
        Schedule(
            name="cosine",
            help="half a cosine down to 0 at the end of all epochs",
            make="models.training.lr_schedulers:cosine",
            describe=_cosine,
            settings={"horizon": "horizon_epochs", "warmup": "warmup_epochs"},
            fixed_length=True,
        ),
        Schedule(
            name="constant",
            help="the same learning rate throughout",
            make="models.training.lr_schedulers:constant",
            describe=_constant,
            settings={"warmup": "warmup_epochs"},
        ),
    )
}

DEFAULT = "plateau"
