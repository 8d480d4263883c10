"""Section: calibration, with reliability curves and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.calibration import BINS, Calibration
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import selective
from orchestrator.report.sections.foremost import foremost, limit_told

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST = 10


def section(report: ReportData) -> Content | None:
    """Calibration after the compared period; None without confidences."""
    run_data, analysis = report.run_data, report.analysis
    if not analysis.calibration:
        return None
    several = ", all seeds together" if run_data.run.spec.seeds > 1 else ""
    lead = (
        f"After epoch {analysis.epoch}{several}. The expected calibration error (ECE, {BINS} bins) "
        "is the mean difference between confidence and accuracy. The Brier score also measures how "
        "well confidence separates correct from wrong predictions. Lower is better for both."
    )
    return Content(
        lead,
        (
            _table(analysis, run_data.learned),
            *elements.fold("Reliability curves", *elements.figures([_curve(run_data, analysis)])),
            *selective.folded(report),
        ),
    )


def _table(analysis: Analysis, fit: Sequence[str]) -> Table:
    learned = {
        name: calibration.ece for name, calibration in analysis.calibration.items() if name in fit
    }
    rows, best = [], min(learned.values(), default=None)
    for name, calibration in analysis.calibration.items():
        word = "overconfident" if calibration.gap > 0 else "underconfident"
        rows.append(
            (
                wording.title(name),
                Cell(f"{calibration.images:,}", calibration.images),
                Cell(wording.percent(calibration.ece), calibration.ece),
                Cell(f"{calibration.brier:.4f}", calibration.brier),
                Cell(wording.percent(calibration.confidence), calibration.confidence),
                Cell(wording.percent(calibration.accuracy), calibration.accuracy),
                Cell(f"{wording.signed(calibration.gap)} ({word})", calibration.gap),
            )
        )
    places = {name: place for place, name in enumerate(analysis.calibration)}
    marked = tuple(places[name] for name, ece in learned.items() if ece == best)
    head = (
        "Network",
        "Predictions",
        "ECE",
        "Brier",
        "Mean confidence",
        "Accuracy",
        "Confidence minus accuracy",
    )
    caption = f"Calibration after epoch {analysis.epoch}"
    numeric = tuple(range(1, len(head)))
    return Table(head, tuple(rows), numeric, marked, "calibration", caption, "long")


def _reliability_line(axes: Axes, backbone: str, calibration: Calibration) -> None:
    points = [
        (100 * b.confidence, 100 * b.accuracy)
        for b in calibration.bins
        if b.images >= FEWEST and b.confidence is not None and b.accuracy is not None
    ]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            color=theme.colour(backbone),
            marker=theme.marker(backbone),
            markersize=5.5,
            linewidth=1.5,
            label=wording.in_figure(backbone),
        )


def _curve(run_data: RunData, analysis: Analysis) -> Chart:
    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color=theme.MUTED, linewidth=0.9, linestyle=":")
        for backbone in (name for name in foremost(run_data) if name in analysis.calibration):
            calibration = analysis.calibration[backbone]
            _reliability_line(axes, backbone, calibration)
        axes.set(
            xlim=(0, 101),
            ylim=(0, 103),
            xlabel="mean confidence of the predictions (%)",
            ylabel="of these, correct (%)",
        )
        images = max(each.images for each in analysis.calibration.values())
        title(
            axes,
            f"Reliability after epoch {analysis.epoch}",
            f"{wording.count(images, 'prediction')} per network · {BINS} bins, those with {FEWEST} "
            f"predictions or more",
        )
        legend_below(figure, axes)

    caption = (
        "On the dotted line, predictions with a confidence of 80% are correct in 80% of cases. "
        f"Below it, the network is overconfident. {limit_told(run_data)}".rstrip()
    )
    return draw_chart(
        "reliability",
        "Reliability curves: accuracy against confidence, one line per network",
        caption,
        (6.2, 4.6),
        paint,
    )
