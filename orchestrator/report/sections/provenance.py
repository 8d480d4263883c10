"""Section: the provenance of the run."""

from __future__ import annotations

from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import Content
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import tables


def section(report: ReportData) -> Content:
    """Versions, revision, machine and command line."""
    table = tables.provenance(report.run_data)
    return Content("", tuple(elements.fold("Versions and machine", table)))
