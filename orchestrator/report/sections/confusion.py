"""Section: confusion matrices, one figure per network and period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.per_class import confusions
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, heatmap, theme, wording
from orchestrator.report.rendering.elements import Content, Figures, Part, Switch
from orchestrator.report.rendering.figure import Chart
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import periods
from orchestrator.report.sections.foremost import foremost, limit_told

MAX_SMALL, MAX_COUNTED, MAX_NAMED = 10, 40, 100
EMPTY = heatmap.HeatmapCell()


def confusion(run_data: RunData, analysis: Analysis, backbone: str, period: int) -> Chart | None:
    """The matrix of a network after a period, with counts and row shares; None without data."""
    matrix = analysis.matrices.get((backbone, period))
    if matrix is None:
        return None
    classes, seeds = run_data.predictions.classes, len(run_data.answers(backbone, period))
    images = wording.count(int(matrix.sum()) // seeds, "test image")
    basis = f"{images} · " + ("one seed" if seeds == 1 else f"{seeds} seeds, summed")
    title = f"{wording.title(backbone)} after epoch {run_data.run.epoch_of(period)}"
    few = len(classes) <= MAX_NAMED
    named = wording.short(classes) if few else [""] * len(classes)
    across = "prediction" if few else f"prediction ({len(classes)} classes, by name)"
    side = 21.0 if len(classes) <= MAX_COUNTED else max(4.0, 840 / len(classes))
    font = {1: 9.0, 2: 9.0, 3: 8.0}.get(len(str(matrix.max())), 6.5)
    grid = heatmap.Heatmap(
        title, basis, named, named, _squares(matrix, len(classes)), across, "true class", side, font
    )
    alt = f"Confusion matrix of {title}: rows are true classes, columns predictions"
    return heatmap.draw_heatmap(
        f"confusion-{wording.file_name(backbone)}-period-{period}",
        alt,
        _seen(matrix, classes),
        grid,
    )


def _squares(matrix: np.ndarray[Any, Any], size: int) -> list[list[heatmap.HeatmapCell]]:
    """Cells: blue on the diagonal, orange off it; the opacity grows with the row share."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    depths = np.where(matrix > 0, 0.10 + 0.90 * shares**0.8, 0)
    told = size <= MAX_COUNTED
    return [
        [
            heatmap.HeatmapCell(
                str(number) if told else "",
                f"{100 * shares[i, j]:.0f}" if told else "",
                theme.RIGHT if i == j else theme.WRONG,
                float(depths[i, j]),
            )
            if number
            else EMPTY
            for j, number in enumerate(row)
        ]
        for i, row in enumerate(matrix.tolist())
    ]


def _seen(matrix: np.ndarray[Any, Any], classes: Sequence[str]) -> str:
    """Caption: the most frequent confusions."""
    worst = confusions(matrix, classes)
    if not worst:
        return "No mistakes."
    called = dict(zip(classes, wording.short(classes, 28), strict=True))
    told = [
        f"{called[one.label]} predicted as {called[one.answer]} ({one.times} of {one.images})"
        for one in worst
    ]
    return f"Most frequent mistakes: {', '.join(told)}."


def section(report: ReportData) -> Content | None:
    """The matrices after the last shown period, other ones folded; None without predictions.

    With many classes only the best network's is open.
    """
    run_data, analysis = report.run_data, report.analysis
    last, *earlier = sorted(run_data.periods, reverse=True)
    names = foremost(run_data)
    few = len(run_data.classes) <= MAX_SMALL
    best = run_data.leader.ranking[0].backbone if run_data.leader else names[0]
    shown = names if few else [best]
    built: list[Part] = [*_of_period(run_data, analysis, last, shown)]
    rest = [name for name in names if name not in shown]
    built += elements.fold("Other networks", *_of_period(run_data, analysis, last, rest))
    for period in earlier:
        drawn = _of_period(run_data, analysis, period, names)
        built += elements.fold(periods.title(run_data, period), *drawn)
    counted = "predictions, all seeds together" if run_data.run.spec.seeds > 1 else "test images"
    lead = (
        f"Rows are true classes, columns are predictions, numbers are {counted}. Blue on the "
        "diagonal is correct, orange is wrong; the deeper the colour, the larger the share of its "
        f"row. {limit_told(run_data)}".rstrip()
    )
    return Content(lead, (Switch(), *built)) if built else None


def _of_period(
    run_data: RunData, analysis: Analysis, period: int, names: Sequence[str]
) -> list[Figures]:
    """The matrices of these networks after a period."""
    few = len(run_data.classes) <= MAX_SMALL
    charts = [confusion(run_data, analysis, name, period) for name in names]
    return elements.figures(charts, 3 if few else 2, "matrix small" if few else "matrix")
