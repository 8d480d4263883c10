"""The registry of schedules: how the learning rate changes after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


def _plateau(recipe: Any) -> str:
    epochs = recipe.plateau_patience
    return (
        f"multiplied by {recipe.plateau_factor:g} when the validation loss has not improved for "
        f"more than {epochs:,} epoch{'' if epochs == 1 else 's'}"
    )


class Schedule(NamedTuple):
    """One schedule.

    `make` is its class, as `module:class`; it takes the optimiser. `settings` maps its arguments to
    keys of the recipe; `fixed` are further arguments with their values. `watches_loss` says that
    its step takes the validation loss. `describe` says in a report what happens with a recipe.
    """

    name: str
    help: str
    make: str
    describe: Callable[[Any], str]
    settings: Mapping[str, str] = MappingProxyType({})
    fixed: Mapping[str, Any] = MappingProxyType({})
    watches_loss: bool = False


SCHEDULES: dict[str, Schedule] = {
    entry.name: entry
    for entry in (
        Schedule(
            name="plateau",
            help="multiply the learning rate when the validation loss no longer improves",
            make="torch.optim.lr_scheduler:ReduceLROnPlateau",
            describe=_plateau,
            settings={"factor": "plateau_factor", "patience": "plateau_patience"},
            watches_loss=True,
        ),
    )
}

DEFAULT = "plateau"
