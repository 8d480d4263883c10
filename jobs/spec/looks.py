"""After which epochs a run decides which trials go on.

Imports nothing, because every run asks.
"""

from __future__ import annotations


def decision_epochs(race: bool, tune: str | None, periods: int, epochs: int) -> tuple[int, ...]:
    """The epochs after which something is decided: ends of periods, never the last one.

    Values are chosen after the first period; a race looks after each one.
    """
    last = periods - 1 if race else min(1, periods - 1) if tune else 0
    return tuple(epochs * period for period in range(1, last + 1))


def looks(race: bool, tune: str | None, periods: int) -> int:
    """How often a race looks at its networks.

    Not after the period whose validation answers choose the values of a tuned key.
    """
    return max(periods - 1 - (tune is not None), 0) if race else 0
