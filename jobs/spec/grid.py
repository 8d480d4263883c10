"""Lists of values for keys of the recipe: each combination of them is a setting of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.spec.keys import RECIPE_KEYS
from jobs.spec.recipe import Recipe
from jobs.spec.setting import GRID, Setting, in_order, told
from jobs.spec.tuning import with_ladder
from jobs.spec.value_lists import checked

Grid = dict[str, tuple[Any, ...]]
MAX_SETTINGS = 200
"""Settings of one network; more are rather a slip than a plan."""


def is_list(key: str, value: Any) -> bool:
    """Whether it is a list of values; pairs of class and weight are one value."""
    if not isinstance(value, (list, tuple)):
        return False
    pairs = key == "class_weights" and all(isinstance(each, (list, tuple)) for each in value)
    return not (pairs and value)


def apart(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a specification, its lists apart under `grid`; the first values stay.

    A list of one value is that value; a tuned key has its ladder. Raises `BadSpec`.
    """
    values = with_ladder(values)
    single, lists = dict(values), dict[str, Any]()
    for key, value in values.items():
        if key in RECIPE_KEYS and is_list(key, value):
            several = checked(key, value, Recipe)
            single[key] = several[0]
            if len(several) > 1:
                lists[key] = several
    return single | ({GRID: lists} if lists else {})


def product(grid: Mapping[str, Sequence[Any]]) -> Iterator[Setting]:
    """Every combination of the values; one without any where there are no lists."""
    keys = in_order(grid)
    for values in itertools.product(*(grid[key] for key in keys)):
        yield dict(zip(keys, values, strict=True))


def require_distinct(backbone: str, recipes: Sequence[tuple[Setting, Recipe]]) -> None:
    """Raise `ValueError` where two settings of a network are the same training."""
    before: dict[str, Setting] = {}
    for setting, recipe in recipes:
        same = before.setdefault(recipe.model_dump_json(), setting)
        if same is not setting:
            raise ValueError(
                f"{backbone} would be trained in the same way with {told(same)} and with "
                f"{told(setting)}; leave one out"
            )


def require_few(grid: Mapping[str, Sequence[Any]]) -> None:
    """Raise `ValueError` where the combinations are too many to be meant."""
    sizes = [len(grid[key]) for key in in_order(grid)]
    if math.prod(sizes) > MAX_SETTINGS:
        lists = ", ".join(f"{key} {len(grid[key])}" for key in in_order(grid))
        raise ValueError(
            f"{' x '.join(map(str, sizes))} = {math.prod(sizes):,} settings of a network exceed "
            f"the maximum of {MAX_SETTINGS} ({lists}); give shorter lists, or several runs"
        )
