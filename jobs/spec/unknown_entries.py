"""Names in recorded values that no registry of this orch has; read without pydantic, for status."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jobs.catalog.augmentations import AUGMENTATIONS
from jobs.catalog.backbones import CATALOG
from jobs.catalog.corruptions import CORRUPTIONS
from jobs.catalog.metrics import METRICS
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.presets import PRESETS
from jobs.catalog.schedules import SCHEDULES
from jobs.spec.setting import GRID

NAME = re.compile(r"[a-z][a-z0-9-]{0,79}")
"""What may be the name of an entry; anything else is no name but damage."""

LISTS = ("backbones", "corruptions")
"""Keys whose recorded value is always a list."""


def told(values: Mapping[str, Any]) -> str:
    """Which entry a run or a trial names that no registry has, and what to do; empty for none.

    `values` are those of a specification, or of a trial's recipe.
    """
    known = _registries()
    for key, name in _named(values, known):
        kind, names = known[key]
        if NAME.fullmatch(name) and name not in names:
            return (
                f"names the {kind} '{name}', which this orch does not know: upgrade orch, or "
                "install the module that adds it"
            )
    return ""


def _registries() -> dict[str, tuple[str, Collection[str]]]:
    """For each key that takes names of entries, what they are called and which there are."""
    metrics = {name for one in METRICS.values() for name in (one.name, one.option)}
    return {
        "backbones": ("backbone", CATALOG),
        "preset": ("preset", PRESETS),
        "optimiser": ("optimiser", OPTIMISERS),
        "schedule": ("schedule", SCHEDULES),
        "augment": ("augmentation", AUGMENTATIONS),
        "metric": ("metric", metrics),
        "early_stop_metric": ("metric", metrics),
        "corruptions": ("corruption", CORRUPTIONS),
    }


def _named(values: Mapping[str, Any], keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """The names below these keys: of all networks, of single ones, and in the lists of a grid."""
    for key in keys:
        given = values.get(key)
        one = [] if key in LISTS else [given]
        listed = given if isinstance(given, (list, tuple)) else one
        yield from ((key, name) for name in listed if isinstance(name, str))
    grid, networks = values.get(GRID), values.get("networks")
    inner = [grid, *(networks.values() if isinstance(networks, Mapping) else ())]
    for own in inner:
        if isinstance(own, Mapping):
            yield from _named(own, keys)
