"""Section: the recipe and the networks."""

from __future__ import annotations

from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import Content, Text
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import recipe_table, tables


def section(report: ReportData) -> Content:
    """Training settings and numerics of every network."""
    run_data = report.run_data
    told = (
        "Precision, threads and device are those of the latest training. A trial keeps its first "
        "precision and threads, because they can change its results."
    )
    return Content(
        "",
        (
            *elements.fold("Recipe", recipe_table.recipe(run_data)),
            *elements.fold("Networks", Text(told), tables.networks(run_data)),
        ),
    )
