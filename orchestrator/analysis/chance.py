"""Whether a network is better than guessing: its accuracy with its interval, against chance."""

from __future__ import annotations

from jobs.statistics.interval import Interval
from orchestrator.analysis.standings import Standing


def accuracy_interval(standing: Standing) -> Interval | None:
    """The 95% interval of a network's accuracy: over splits where these tell it, else images."""
    if standing.metric.name == "accuracy":
        return standing.lead_interval
    return standing.image_interval


def above_chance(standing: Standing, chance: float | None) -> bool:
    """Whether the interval lies above `chance`, the accuracy of a random class.

    True where one of them is unknown: nothing then speaks against the network.
    """
    interval = accuracy_interval(standing)
    return chance is None or interval is None or interval.low > chance
