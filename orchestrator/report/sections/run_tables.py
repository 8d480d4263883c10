"""Tables of several runs with one column each: a metric, or training times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.multi_run import ComparedRun, RunResult, RunsAnalysis
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Table


def metric_table(sides: Sequence[ComparedRun], analysis: RunsAnalysis, metric: Metric) -> Table:
    """One metric of each network and setting in each run."""

    def cell(result: RunResult) -> str:
        spread = result.standing.metrics.get(metric.name)
        return Cell(wording.metrics(metric, spread), spread.mean) if spread else "–"

    return _table(sides, analysis, cell, metric.name, f"{metric.title} in each run")


def time_table(sides: Sequence[ComparedRun], analysis: RunsAnalysis) -> Table:
    """Training time of each network and setting in each run."""

    def cell(result: RunResult) -> str:
        spread = result.seconds
        return Cell(wording.duration(spread.mean), spread.mean) if spread else "–"

    return _table(sides, analysis, cell, "times", "Training time in each run")


def _table(
    sides: Sequence[ComparedRun],
    analysis: RunsAnalysis,
    cell: Callable[[RunResult], str],
    name: str,
    title: str,
) -> Table:
    """A row for each network and setting, in the columns of the runs that hold it."""
    cells = {
        (result.common.label, run): cell(result)
        for result in analysis.results
        for run in result.runs
    }
    rows = tuple(
        (wording.title(label), *(cells.get((label, side.name), "–") for side in sides))
        for label in analysis.labels
    )
    head = ("Network", *(side.name for side in sides))
    return Table(head, rows, tuple(range(1, len(head))), name=name, title=title)
