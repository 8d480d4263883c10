"""The registry of optimisers: how the weights change at each step."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Optimiser(NamedTuple):
    """One optimiser.

    `make` is its class, as `module:class`. `settings` maps arguments of the class to keys of the
    recipe; `fixed` are further arguments with their values. `fused` names the kinds of device on
    which the argument of that name is set, for fused kernels. The learning rate is named `lr`, as
    in torch. Weight decay is that of groups of parameters, so its argument is `weight_decay`.

    `allocates_first` promises that a step changes nothing before its last allocation of memory, so
    that a step out of memory can be done again. Without it such a step ends the attempt, and the
    next one goes on from the last checkpoint.
    """

    name: str
    title: str
    help: str
    make: str
    settings: Mapping[str, str]
    fixed: Mapping[str, Any] = MappingProxyType({})
    fused: tuple[str, ...] = ()
    allocates_first: bool = False

    def describe(self, recipe: Any) -> str:
        """The optimiser and its settings that are not 0: `SGD, learning rate 0.001`."""
        values = {key: getattr(recipe, key) for key in self.settings.values()} | dict(self.fixed)
        told = [
            f"{name.replace('_', ' ')} {shown(value)}" for name, value in values.items() if value
        ]
        return ", ".join([self.title, *told])


def shown(value: Any) -> str:
    """A setting as a report shows it."""
    return f"{value:g}" if isinstance(value, (int, float)) and value is not True else str(value)


OPTIMISERS: dict[str, Optimiser] = {
    entry.name: entry
    for entry in (
        Optimiser(
            name="sgd",
            title="SGD",
            help="stochastic gradient descent with momentum",
            make="torch.optim:SGD",
            settings={
                "lr": "learning_rate",
                "momentum": "momentum",
                "weight_decay": "weight_decay",
            },
            # On a processor it would round differently from the study's and gain little.
            fused=("cuda",),
            allocates_first=True,
        ),
        Optimiser(
            name="adamw",
            title="AdamW",
            help="Adam with decoupled weight decay",
            make="torch.optim:AdamW",
            settings={"lr": "learning_rate", "weight_decay": "weight_decay"},
            fused=("cuda", "cpu"),
        ),
    )
}

DEFAULT = "sgd"
