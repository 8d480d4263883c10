"""A range of values."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.05
"""The level of tests; intervals are of 95%."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of shares, or of differences between shares (-1..1)."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole range lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def turned(self) -> Interval:
        """The interval of the difference seen from the other side."""
        return Interval(-self.high, -self.low)
