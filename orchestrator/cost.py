"""What accuracy costs: training time, speed, size, multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs import catalog
from orchestrator.compare import Comparison
from orchestrator.statistics import Spread, spread


@dataclass(frozen=True, slots=True)
class Cost:
    """One network's price up to a period, for one seed (mean over seeds), beside its accuracy there.

    `gmacs` is thousands of millions of multiply-adds for one image of 224 px; None outside the catalog.
    """

    backbone: str
    accuracy: float | None
    seconds: Spread | None
    images_per_second: float | None
    parameters: int | None
    gmacs: float | None


def costs(comparison: Comparison, period: int, classes: int) -> list[Cost]:
    """The price of every backbone: the wall time of all its epochs up to the end of `period`."""
    found = []
    for standing in comparison.at(period):
        name = standing.backbone
        rows = [row for row in comparison.epochs if row.backbone == name and row.period <= period]
        by_trial: dict[str, float] = {}
        for row in rows:
            by_trial[row.trial] = by_trial.get(row.trial, 0.0) + (row.seconds or 0.0)
        speeds = spread(row.images_per_second for row in rows if row.images_per_second)
        known = catalog.CATALOG.get(name)
        found.append(Cost(
            name, standing.accuracy.mean if standing.accuracy else None, spread(by_trial.values()),
            speeds.mean if speeds else None, known.parameters(classes) if known else None,
            known.gmacs(classes) if known else None,
        ))
    return found


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of points (cost, gain) that no other point beats in both, cheapest first.

    A point is beaten by one that costs no more and gains no less, and is better in at least one of the two.
    """
    def beaten(place: int) -> bool:
        cost, gain = points[place]
        return any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)

    return sorted((i for i in range(len(points)) if not beaten(i)), key=lambda i: points[i])
