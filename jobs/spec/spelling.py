"""How keys of a specification may be spelt: with hyphens, and by a few other names."""

from __future__ import annotations

from typing import Any

from jobs.errors import BadSpec
from jobs.spec import synonyms
from jobs.spec.keys import KEYS

ALIASES = {"backbone": "backbones", "optimizer": "optimiser", "patience": "plateau_patience"}
SHOWN = 80


def own_name(given: str) -> str:
    """The key's own name, however it is spelt."""
    key = given.replace("-", "_")
    return ALIASES.get(key, key)


def normalised(values: dict[str, Any]) -> dict[str, Any]:
    """The values under the keys' own names; raises `BadSpec` for an unknown key.

    `all_backbones: true` means all backbones.
    """
    tidy: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for given, value in values.items():
        key = own_name(given)
        if key == "all_backbones":
            if not isinstance(value, bool):
                raise BadSpec(f"all_backbones: true or false is needed, not {value!r}.")
            if not value:
                continue
            key, value = "backbones", "all"
        if key in spelt:
            raise BadSpec(f"{given} and {spelt[key]} are the same key. Give only one of them.")
        spelt[key] = given
        if key not in KEYS:
            meant = synonyms.key_meant(key)
            hint = f" Did you mean '{meant}'?" if meant else ""
            hint = f" {missing}" if (missing := synonyms.not_yet(key)) else hint
            raise BadSpec(
                f"unknown key '{given[:SHOWN]}' in the specification.{hint} Known keys: "
                f"{', '.join(KEYS)}."
            )
        tidy[key] = value
    return tidy
