"""The first lines of a report, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer, its cost, what to hold against it, and what is missing."""

    sentence: str
    cost: str
    cautions: tuple[str, ...]
    missing: tuple[str, ...]
