"""Section: calibration, with reliability curves and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.calibration import BINS
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Section, Table
from orchestrator.report.rendering.figure import Chart, draw_chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 10


def section(evidence: RunData, findings: Analysis) -> Section | None:
    """Calibration after the compared period; None without confidences."""
    if not findings.calibration:
        return None
    several = ", all seeds together" if evidence.run.spec.seeds > 1 else ""
    lead = (
        f"After epoch {findings.epoch}{several}. The expected calibration error (ECE, {BINS} bins) "
        "is the mean difference between confidence and accuracy. The Brier score also measures how "
        "well confidence separates correct from wrong predictions. Lower is better for both."
    )
    return Section(
        "calibration",
        "Calibration",
        lead,
        (_table(findings), *elements.figures([_curve(findings)])),
    )


def _table(findings: Analysis) -> Table:
    rows, best = [], min(found.ece for found in findings.calibration.values())
    for name, found in findings.calibration.items():
        word = "overconfident" if found.gap > 0 else "underconfident"
        rows.append(
            (
                wording.title(name),
                Cell(f"{found.images:,}", found.images),
                Cell(wording.percent(found.ece, 2), found.ece),
                Cell(f"{found.brier:.4f}", found.brier),
                Cell(wording.percent(found.confidence), found.confidence),
                Cell(wording.percent(found.accuracy), found.accuracy),
                Cell(f"{wording.signed(found.gap)} ({word})", found.gap),
            )
        )
    marked = tuple(i for i, found in enumerate(findings.calibration.values()) if found.ece == best)
    head = (
        "Network",
        "Predictions",
        "ECE",
        "Brier",
        "Mean confidence",
        "Accuracy",
        "Confidence minus accuracy",
    )
    return Table(
        head, tuple(rows), (1, 2, 3, 4, 5, 6), marked, "calibration", "Calibration", "long"
    )


def _curve(findings: Analysis) -> Chart:
    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color=theme.MUTED, linewidth=0.9, linestyle=":")
        for name, found in findings.calibration.items():
            points = [
                (100 * b.confidence, 100 * b.accuracy)
                for b in found.bins
                if b.images >= FEWEST and b.confidence is not None and b.accuracy is not None
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    color=theme.colour(name),
                    marker=theme.marker(name),
                    markersize=5.5,
                    linewidth=1.5,
                    label=wording.title(name),
                )
        axes.set(
            xlim=(0, 101),
            ylim=(0, 103),
            xlabel="mean confidence of the predictions (%)",
            ylabel="of these, correct (%)",
        )
        axes.set_title(f"Reliability after epoch {findings.epoch}")
        images = max(found.images for found in findings.calibration.values())
        axes.annotate(
            f"{wording.count(images, 'prediction')} per network · {BINS} bins, those with {FEWEST} "
            f"predictions or more",
            (0, 1),
            (0, 7),
            "axes fraction",
            textcoords="offset points",
            fontsize=8.5,
            color=theme.MUTED,
        )
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower left",
            ncols=4,
            columnspacing=1.2,
            handletextpad=0.4,
        )

    caption = (
        "On the dotted line, predictions with a confidence of 80% are correct in 80% of cases. "
        "Below it, the network is overconfident."
    )
    return draw_chart(
        "reliability",
        "Reliability curves: accuracy against confidence, one line per network",
        caption,
        (6.2, 4.6),
        paint,
    )
