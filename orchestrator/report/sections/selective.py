"""Risk against coverage, and thresholds below which a network does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.selective import RejectThreshold, RiskCoverage
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
        f"{seeds}. {_chosen(run_data, analysis)}{_told(run_data, analysis)}"
    )
    drawn = elements.figures([_curve(run_data, analysis)])
    return elements.fold(
        "Answering only when sure", Text(lead.rstrip()), _table(run_data, analysis), *drawn
    )


def _chosen(run_data: RunData, analysis: Analysis) -> str:
    """On which images thresholds are chosen, and of which networks otherwise."""
    shown = [name for name in foremost(run_data) if name in analysis.selective]
    old = [name for name in shown if analysis.selective[name].chosen_on == "test"]
    held = (
        "Thresholds are chosen on the validation images; what they answer, and how much of it is "
        "right, is counted on the test images. "
    )
    optimistic = (
        "chosen on the test images themselves, because answers to validation images are not "
        "published: they are optimistic. The last two columns choose on each half of the test "
        "images and count on the other. "
    )
    if not old:
        return held
    if len(old) == len(shown):
        return f"Thresholds are {optimistic}"
    names = wording.listed([wording.title(name) for name in old])
    return f"{held}Those of {names} are {optimistic}"


def _told(run_data: RunData, analysis: Analysis) -> str:
    """What the leader's threshold for the highest target does; empty where it is out of reach."""
    first = run_data.leader.ranking[0].backbone if run_data.leader else ""
    if first not in analysis.selective:
        return ""
    curve = analysis.selective[first]
    reached = [one for one in curve.thresholds if one.threshold is not None]
    if not reached:
        return ""
    one = reached[-1]
    to_be = f"To be right on {wording.percent(one.target, 0)} of what it answers, "
    answers = f"answers {wording.percent(one.coverage, 0)} of the test images"
    name = wording.title(first)
    if curve.chosen_on == "test":
        return f"{to_be}{name} needs the threshold {one.threshold:.3f} and {answers}. "
    right = f", and is right on {wording.percent(one.accuracy)} of these" if one.coverage else ""
    images = wording.count(curve.choosing, "validation image")
    return f"{to_be}{name} has the threshold {one.threshold:.3f} of {images}: it {answers}{right}. "


def _table(run_data: RunData, analysis: Analysis) -> Table:
    shown = {n: analysis.selective[n] for n in foremost(run_data) if n in analysis.selective}
    check = any(curve.chosen_on == "test" for curve in shown.values())
    rows = tuple(
        _row(name, curve, one, check) for name, curve in shown.items() for one in curve.thresholds
    )
    checked = ("Checked: answers", "Checked: right") if check else ()
    head = ("Network", "To be right on", "Chosen on", "Threshold", "Answers", "Right", *checked)
    caption = "Thresholds of confidence below which a network does not answer"
    numeric = (1, *range(3, len(head)))
    return Table(head, rows, numeric, name="selective", title=caption, style="long")


def _row(name: str, curve: RiskCoverage, one: RejectThreshold, check: bool) -> tuple[str, ...]:
    def share(value: float | None) -> Cell:
        return Cell(wording.percent(value), -1.0 if value is None else value)

    threshold = "none" if one.threshold is None else f"{one.threshold:.3f}"
    checked = (share(one.checked_coverage), share(one.checked_accuracy)) if check else ()
    return (
        wording.title(name),
        Cell(wording.percent(one.target, 0), one.target),
        wording.count(curve.choosing, f"{curve.chosen_on} image"),
        Cell(threshold, 2.0 if one.threshold is None else one.threshold),
        share(one.coverage),
        share(one.accuracy),
        *checked,
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
