"""Tables of a metric, or of training times, with one column per run."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.multi_run import ComparedRun
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Table


def metric_table(sides: Sequence[ComparedRun], names: Sequence[str], metric: Metric) -> Table:
    """One metric of each network in each run."""

    def cell(side: ComparedRun, name: str) -> str:
        at = side.run_data.comparison.at(side.analysis.period)
        spread = next((s.metrics.get(metric.name) for s in at if s.backbone == name), None)
        return Cell(wording.metrics(metric, spread), spread.mean) if spread else "–"

    rows = tuple((wording.title(name), *(cell(side, name) for side in sides)) for name in names)
    head = ("Network", *(side.name for side in sides))
    title = f"{metric.title} in each run"
    return Table(head, rows, tuple(range(1, len(head))), name=metric.name, title=title)


def time_table(sides: Sequence[ComparedRun], names: Sequence[str]) -> Table:
    """Training time of each network in each run."""
    rows = []
    for name in names:
        costs = [
            next((c for c in side.analysis.costs if c.backbone == name and c.seconds), None)
            for side in sides
        ]
        rows.append(
            (
                wording.title(name),
                *(
                    Cell(wording.duration(c.seconds.mean), c.seconds.mean)
                    if c and c.seconds
                    else "–"
                    for c in costs
                ),
            )
        )
    head = ("Network", *(side.name for side in sides))
    return Table(
        head,
        tuple(rows),
        tuple(range(1, len(head))),
        name="times",
        title="Training time in each run",
    )
