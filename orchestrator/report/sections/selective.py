"""Risk against coverage, and thresholds below which a network does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.selective import RejectThreshold
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Fold, Table, Text
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections.foremost import foremost, limit_told

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def folded(report: ReportData) -> list[Fold]:
    """Thresholds after the compared period, folded; nothing without confidences."""
    run_data, analysis = report.run_data, report.analysis
    if not analysis.selective:
        return []
    seeds = ", by each network's first seed" if run_data.run.spec.seeds > 1 else ""
    lead = (
        "A network that leaves its least confident answers to a person is right more often"
        f"{seeds}. {_told(run_data, analysis)}Thresholds are chosen on the test images themselves, "
        "so they are optimistic. The last two "
        "columns choose on each half of the images and count on the other."
    )
    drawn = elements.figures([_curve(run_data, analysis)])
    return elements.fold("Answering only when sure", Text(lead), _table(run_data, analysis), *drawn)


def _told(run_data: RunData, analysis: Analysis) -> str:
    """What the leader needs for the highest target; empty where it is out of reach."""
    first = run_data.leader.ranking[0].backbone if run_data.leader else ""
    if first not in analysis.selective:
        return ""
    reached = [one for one in analysis.selective[first].thresholds if one.threshold is not None]
    if not reached:
        return ""
    one = reached[-1]
    return (
        f"To be right on {wording.percent(one.target, 0)} of what it answers, "
        f"{wording.title(first)} needs the threshold {one.threshold:.3f} and answers "
        f"{wording.percent(one.coverage, 0)} of the test images. "
    )


def _table(run_data: RunData, analysis: Analysis) -> Table:
    rows = tuple(
        _row(name, one)
        for name in foremost(run_data)
        if name in analysis.selective
        for one in analysis.selective[name].thresholds
    )
    head = (
        "Network",
        "To be right on",
        "Threshold",
        "Answers",
        "Right",
        "Checked: answers",
        "Checked: right",
    )
    caption = "Thresholds of confidence below which a network does not answer"
    numeric = tuple(range(1, len(head)))
    return Table(head, rows, numeric, name="selective", title=caption, style="long")


def _row(name: str, one: RejectThreshold) -> tuple[str, ...]:
    def share(value: float | None) -> Cell:
        return Cell(wording.percent(value), -1.0 if value is None else value)

    shown = "none" if one.threshold is None else f"{one.threshold:.3f}"
    return (
        wording.title(name),
        Cell(wording.percent(one.target, 0), one.target),
        Cell(shown, 2.0 if one.threshold is None else one.threshold),
        share(one.coverage),
        share(one.accuracy),
        share(one.checked_coverage),
        share(one.checked_accuracy),
    )


def _curve(run_data: RunData, analysis: Analysis) -> Chart:
    names = [name for name in foremost(run_data) if name in analysis.selective]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name in names:
            one = analysis.selective[name]
            axes.plot(
                [100 * share for share in one.coverage],
                [100 * share for share in one.risk],
                color=theme.colour(name),
                linestyle=theme.line(name),
                linewidth=1.6,
                label=wording.title(name),
            )
        axes.set(xlim=(0, 101), xlabel="images answered (%)", ylabel="of these, wrong (%)")
        axes.set_ylim(bottom=0)
        images = max(analysis.selective[name].images for name in names)
        basis = f"{wording.count(images, 'test image')} · the most confident answers first"
        title(axes, f"Risk against coverage after epoch {analysis.epoch}", basis)
        legend_below(figure, axes)

    caption = (
        "The lower the line, the better confidence tells right from wrong. At the right end all "
        f"images are answered. {limit_told(run_data)}".rstrip()
    )
    alt = "Share of wrong answers against the share of images answered, one line per network"
    return draw_chart("risk-coverage", alt, caption, (6.2, 4.2), paint)
