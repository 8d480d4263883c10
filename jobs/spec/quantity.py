"""Parse numbers with a unit in the form users write them: `20ms`, `10MB`."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST_DIGITS = 6
SHOWN = 80
UNITS_MS: Mapping[str, float] = {"us": 0.001, "ms": 1.0, "s": 1000.0}
UNITS_BYTES: Mapping[str, float] = {
    "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30,
}  # fmt: skip


def number(text: str, units: Mapping[str, float], what: str) -> float:
    """The number in the unit whose factor is 1; letters of units may be small or large.

    Raises `ValueError` saying that it is not `what`, such as `a size; give one such as 10MB`.
    """
    letters = "|".join(units)
    digits = rf"\d{{1,{LONGEST_DIGITS}}}(?:\.\d{{1,{LONGEST_DIGITS}}})?"
    match = re.fullmatch(rf"({digits})\s*({letters})", text.strip(), re.A | re.I)
    if match is None or float(match[1]) == 0:
        shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
        raise ValueError(f"{shown!r} is not {what}.")
    factor = {unit.upper(): value for unit, value in units.items()}[match[2].upper()]
    return float(match[1]) * factor


def milliseconds(text: str) -> float:
    """A latency in milliseconds; raises `ValueError`."""
    return number(text, UNITS_MS, "a latency; give one such as 20ms or 1.5s")


def size_bytes(text: str) -> int:
    """The size of a file in bytes; raises `ValueError`."""
    return int(number(text, UNITS_BYTES, "a size; give one such as 10MB or 9.5MiB"))
