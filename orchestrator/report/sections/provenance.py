"""Section: the provenance of the run."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import (
    Section,
)
from orchestrator.report.sections import tables


def section(run_data: RunData) -> Section:
    """Versions, revision, machine and command line."""
    return Section(
        "provenance",
        "Provenance",
        "",
        tuple(elements.fold("Versions and machine", tables.provenance(run_data))),
    )
