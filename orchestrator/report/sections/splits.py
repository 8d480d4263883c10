"""Section: each network on each of several splits, and over all of them."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.splits import by_split
from orchestrator.analysis.spreads import spread
from orchestrator.analysis.standings import Standing
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.report_data import ReportData


def section(report: ReportData) -> Content | None:
    """A table of values by split; None where the run has one split."""
    run_data = report.run_data
    if not run_data.splits:
        return None
    return Content(
        f"Each network was trained and tested on {wording.count(len(run_data.splits), 'split')} of "
        "the same images, each drawn anew. The deviation is that over the splits. The interval of "
        "the mean is wider than theirs would be by itself, as the splits share images: the "
        "variance over k splits is multiplied by 1/k + n_test/n_train (Nadeau and Bengio 2003). "
        "Sections on single images are of the first split.",
        (_table(run_data),),
    )


def shown(run_data: RunData) -> str:
    """`Of split 0, the first of 5. `; empty where the run has one split."""
    split = run_data.shown_split
    return "" if split is None else f"Of split {split}, the first of {len(run_data.splits)}. "


def _table(run_data: RunData) -> Table:
    metric, period = run_data.metric, run_data.period
    standings = [one for one in run_data.comparison.at(period) if one.lead]
    rows = tuple(_row(run_data, one) for one in standings)
    head = (
        "Network",
        *(f"Split {split}" for split in run_data.splits),
        "Mean",
        "± splits",
        "95% interval",
    )
    title = f"{metric.title} on each split, after epoch {run_data.run.epoch_of(period)}"
    numeric = tuple(range(1, len(head)))
    return Table(head, rows, numeric, name="splits", title=title, style="long")


def _row(run_data: RunData, one: Standing) -> tuple[str, ...]:
    values, metric, ends = by_split(one), one.metric, one.over_splits
    cells = [
        Cell(wording.metric(metric, values.get(split)), values.get(split, -1.0))
        for split in run_data.splits
    ]
    over = spread(values.values())
    mean = over.mean if over else None
    deviation = over.deviation if over else None
    return (
        wording.title(one.backbone),
        *cells,
        Cell(wording.metric(metric, mean), -1.0 if mean is None else mean),
        Cell(wording.metric(metric, deviation), -1.0 if deviation is None else deviation),
        Cell(wording.range_of(metric, ends), ends.low) if ends else "–",
    )
