"""Images of more than 8 bits: which value becomes black and which white, for the whole data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobs.data.pixel_format import PixelFormat
from jobs.errors import BadFolder
from jobs.spec.range_text import AUTO, FULL

SHOWN = 3


@dataclass(frozen=True, slots=True)
class ValueRange:
    """How values beyond 8 bits become 0 to 255; images of 8 bits stay as they are.

    `given`: from `low` (black) to `high` (white), the same for all. `full`: over the whole range
    of each file's type. `unknown`: such files are refused. `0.1.0`: guessed for each image, as
    version 0.1.0 did.
    """

    kind: Literal["given", "full", "unknown", "0.1.0"]
    low: float = 0.0
    high: float = 0.0


FULL_RANGE = ValueRange("full")
UNKNOWN = ValueRange("unknown")
GUESSED = ValueRange("0.1.0")
"""For data sets that were submitted or prepared by version 0.1.0: same name, same pixels."""


def chosen(setting: str) -> ValueRange | None:
    """The range that a setting gives; None for `auto`, which is found in the images."""
    if setting == AUTO:
        return None
    if setting == FULL:
        return FULL_RANGE
    low, high = map(float, setting.split(","))
    return ValueRange("given", low, high)


def check(origin: str, beyond: Mapping[str, PixelFormat], setting: str) -> None:
    """Raise `BadFolder` for a setting that these files (beyond 8 bits) do not fit.

    Integers and floats have no common range that could be found. A range for images that all have
    8 bits would do nothing.
    """
    if setting != AUTO:
        if not beyond:
            raise BadFolder(
                f"value_range {setting}: no image in {origin} has more than 8 bits, so it would do "
                "nothing. Leave it out."
            )
        return
    floats = [path for path, one in beyond.items() if one.kind == "float"]
    whole = [path for path, one in beyond.items() if one.kind != "float"]
    if floats and whole:
        raise BadFolder(
            f"{origin} mixes floats ({_named(floats)}) and integers beyond 8 bits "
            f"({_named(whole)}), which have no common range of values. Convert them to one kind, "
            "or give --value-range full or LOW,HIGH."
        )


def in_words(facts: Mapping[str, Any]) -> str:
    """The range that a preparation used, from its result."""
    if facts.get("setting") == FULL:
        return "the full range of each file's type"
    ends = f"{facts.get('low', 0.0):.7g} (black) to {facts.get('high', 0.0):.7g} (white)"
    if "files" not in facts:
        return f"{ends}, as given"
    return f"{ends}, found in {facts['files']:,} file{'' if facts['files'] == 1 else 's'}"


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more
