"""Section: the recipe and the networks."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import (
    Section,
    Text,
)
from orchestrator.report.sections import tables


def section(run_data: RunData) -> Section:
    """Training settings and numerics of every network."""
    told = (
        "Precision, threads and device are those of the latest training. A trial keeps its first "
        "precision and threads, because they can change its results."
    )
    return Section(
        "recipe",
        "Recipe and networks",
        "",
        (
            *elements.fold("Recipe", tables.recipe(run_data)),
            *elements.fold("Networks", Text(told), tables.networks(run_data)),
        ),
    )
