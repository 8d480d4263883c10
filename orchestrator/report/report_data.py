"""What every section of a report is made of."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering.gallery import Gallery


@dataclass(frozen=True, slots=True)
class ReportData:
    """A run's results, their analysis, and its prepared images."""

    run_data: RunData
    analysis: Analysis
    gallery: Gallery
