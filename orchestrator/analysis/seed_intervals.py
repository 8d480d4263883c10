"""Differences over seeds and images: the model of `jobs.statistics`, for all networks."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.statistics.seed_intervals import SeedMoments, seed_moments
from orchestrator.analysis.image_values import Values


def all_moments(values: Mapping[str, Values], swing: float = 1.0) -> dict[str, SeedMoments | None]:
    """The moments of each network; None where it has one seed or no image."""
    return {name: seed_moments(rows, swing) for name, rows in values.items()}
