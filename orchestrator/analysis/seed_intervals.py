"""Differences over seeds and images: the model of `jobs.statistics`, for all networks."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.statistics.seed_intervals import LEVEL as LEVEL
from jobs.statistics.seed_intervals import SeedDifference as SeedDifference
from jobs.statistics.seed_intervals import SeedMoments as SeedMoments
from jobs.statistics.seed_intervals import image_variance as image_variance
from jobs.statistics.seed_intervals import seed_difference as seed_difference
from jobs.statistics.seed_intervals import seed_moments as seed_moments
from orchestrator.analysis.image_values import Values


def all_moments(values: Mapping[str, Values], swing: float = 1.0) -> dict[str, SeedMoments | None]:
    """The moments of each network; None where it has one seed or no image."""
    return {name: seed_moments(rows, swing) for name, rows in values.items()}
