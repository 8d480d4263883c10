"""The key `class_weights`: one word, or a weight for each class that has one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from jobs.errors import BadSpec
from jobs.spec.keys import KEYS

WORDS = ("none", "balanced")
Pairs = tuple[tuple[str, float], ...]


def parse(value: Any) -> Any:
    """A word, or pairs of class and weight in order of class, however they are written."""
    if isinstance(value, str) and value in WORDS:
        return value
    if isinstance(value, str):
        value = [each.rpartition("=")[::2] for each in value.split(",")]
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    try:
        if any(isinstance(weight, bool) for _, weight in pairs):
            raise TypeError
        weights = sorted((str(name).strip(), float(weight)) for name, weight in pairs)
    except (TypeError, ValueError):
        weights = []
    names = [name for name, _ in weights]
    sound = all(name and weight > 0 and math.isfinite(weight) for name, weight in weights)
    if not weights or not sound or len(set(names)) < len(names):
        raise ValueError(f"{KEYS['class_weights'].needs} is needed")
    return tuple(weights)


ClassWeights = Annotated[Literal["none", "balanced"] | Pairs, BeforeValidator(parse)]


def told(value: str | Pairs) -> str:
    """The weights as a report shows them."""
    return value if isinstance(value, str) else ", ".join(f"{n} {w:g}" for n, w in value)


def require_known(value: str | Pairs, classes: Collection[str]) -> None:
    """Raise `BadSpec` for a class that the data do not have."""
    for name, _ in () if isinstance(value, str) else value:
        if name not in classes:
            some = ", ".join(list(classes)[:20])
            raise BadSpec(f"class_weights: the data have no class {name[:80]!r}. Classes: {some}.")
