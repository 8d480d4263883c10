"""What tells the trials of a network in a grid apart: the values of the keys that vary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Setting = Mapping[str, Any]
"""The values of the keys that vary for a network; none where it is trained in one way only."""

GRID = "grid"
"""The key of a recorded specification that holds the lists of values."""


def value_told(value: Any) -> str:
    """One value as a specification has it: `0.003`, `none`, `true`, `cat=2`, `70,10,20`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, (list, tuple)):
        return ",".join(map(_item_told, value))
    return str(value)


def _item_told(item: Any) -> str:
    """A number of a list, or a class with its weight."""
    if isinstance(item, (list, tuple)):
        name, weight = item
        return f"{name}={value_told(weight)}"
    return value_told(item)


def told(setting: Setting) -> str:
    """The values in a line: `learning_rate 0.003, optimiser adamw`."""
    return ", ".join(f"{key} {value_told(value)}" for key, value in setting.items())


def label(backbone: str, setting: Setting) -> str:
    """What stands for a network trained in one way: `resnet34, learning_rate 0.003`.

    It is the network's own label where nothing varies.
    """
    return f"{backbone}, {told(setting)}" if setting else backbone


def network_of(label: str) -> str:
    """The network of a label; the labels of networks hold no comma."""
    return label.partition(", ")[0]


def told_of(label: str) -> str:
    """The setting of a label in a line; empty where nothing varies."""
    return label.partition(", ")[2]


def varied(spec: Mapping[str, Any], backbone: str) -> tuple[str, ...]:
    """The keys that vary for a network, from the values of a recorded specification."""
    own = spec.get("networks", {}).get(backbone, {})
    of_run = [key for key in spec.get(GRID, ()) if own.get(key) is None]
    keys = {*of_run, *own.get(GRID, ())}
    return in_order(keys) if keys else ()  # what orders them is slow to import


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys in the order of the documentation."""
    from jobs.spec.keys import KEYS

    return tuple(key for key in KEYS if key in set(keys))


def of_recipe(recipe: Any, keys: Iterable[str]) -> dict[str, Any]:
    """The values of the keys in the recipe of a trial."""
    return {key: getattr(recipe, key) for key in keys}
