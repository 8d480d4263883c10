"""Section: accuracy on corrupted images by severity, and mean corruption error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from jobs.catalog.corruptions import CORRUPTIONS, SEVERITIES
from orchestrator.analysis.robustness import NetworkRobustness, Robustness
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import in_order
from orchestrator.report.rendering import baseline, elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Heading, Table
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below
from orchestrator.report.report_data import ReportData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4


def section(report: ReportData) -> Content | None:
    """Robustness of each network; None without evaluations on corrupted images."""
    run_data = report.run_data
    robustness = run_data.robustness
    if robustness is None:
        return None
    several = (
        " Accuracies are means over seeds."
        if any(one.seeds > 1 for one in robustness.networks)
        else ""
    )
    lead = (
        "After the last period, each network was evaluated on "
        f"{wording.count(robustness.images, 'test image')} with "
        f"{wording.count(len(robustness.corruptions), 'corruption')}, at severities 1 to 5. The "
        f"corrupted images are the same for all networks.{several} A corruption error is a "
        f"network’s summed error divided by that of {wording.title(robustness.reference)} "
        "(Hendrycks and Dietterich 2019); below 100% is better than the reference. The second "
        "column is the mean over all corruptions."
    )
    return Content(
        lead,
        (
            _table(robustness, run_data.learned),
            *elements.fold(
                "Accuracy by severity",
                *elements.figures([_figure(run_data, robustness)], style="wide"),
            ),
        ),
    )


def together(runs: Sequence[tuple[str, Robustness | None]]) -> Content | None:
    """Robustness of several runs, on the corruptions common to all; None without any."""
    there = [(name, robustness) for name, robustness in runs if robustness]
    tested = [set(one.accuracies) for _, robustness in there for one in robustness.networks]
    if not there:
        return None
    shared = set.intersection(*tested)
    kinds = [name for name in CORRUPTIONS if any(corruption == name for corruption, _ in shared)]
    mean = (
        f"the mean over the corruptions that all were evaluated on ({wording.listed(kinds)})"
        if kinds
        else "not shown, because no evaluation is shared"
    )
    references = wording.listed(
        [f"{wording.title(robustness.reference)} of {name}" for name, robustness in there]
    )
    lead = (
        f"Accuracy is {mean}. A mean corruption error is relative to {references}. Only errors "
        "with the same reference can be compared."
    )
    networks = (one for _, robustness in there for one in robustness.networks)
    names = in_order(dict.fromkeys(one.backbone for one in networks))
    return Content(
        lead,
        (
            Heading("Accuracy on corrupted images"),
            _beside(there, names, "harder", lambda one: _mean(one, shared)),
            Heading("Mean corruption error"),
            _beside(there, names, "corruption-errors", lambda one: one.mean_error),
        ),
    )


def _beside(
    runs: Sequence[tuple[str, Robustness]],
    names: Sequence[str],
    name: str,
    measure: Callable[[NetworkRobustness], float | None],
) -> Table:
    measured = {
        (run, one.backbone): measure(one) for run, of_run in runs for one in of_run.networks
    }
    rows = tuple(
        (wording.title(who), *(_percent(measured.get((run, who))) for run, _ in runs))
        for who in names
    )
    head = ("Network", *(run for run, _ in runs))
    return Table(
        head, rows, tuple(range(1, len(head))), name=name, title="Corrupted images in each run"
    )


def _table(robustness: Robustness, learned: Collection[str]) -> Table:
    rows = tuple(
        (
            wording.title(one.backbone),
            _percent(one.mean_error),
            _percent(one.clean),
            _percent(_mean(one)),
            *(_percent(one.errors.get(name)) for name in robustness.corruptions),
        )
        for one in robustness.networks
    )
    head = (
        "Network",
        "Mean corruption error",
        "Accuracy",
        "On corrupted images",
        *(f"{name} error" for name in robustness.corruptions),
    )
    fit = [
        one for one in robustness.networks if one.backbone in learned and one.mean_error is not None
    ]
    least = min((one.mean_error for one in fit if one.mean_error is not None), default=None)
    best = tuple(
        place
        for place, one in enumerate(robustness.networks)
        if one in fit and one.mean_error == least
    )
    return Table(
        head, rows, tuple(range(1, len(head))), best, "corruptions", "Corrupted images", "long"
    )


def _mean(one: NetworkRobustness, among: Collection[tuple[str, int]] | None = None) -> float | None:
    values = [value for key, value in one.accuracies.items() if among is None or key in among]
    return sum(values) / len(values) if values else None


def _percent(value: float | None) -> Cell:
    return Cell(wording.percent(value), -1.0 if value is None else value)


def _figure(run_data: RunData, robustness: Robustness) -> Chart:
    down = -(-len(robustness.corruptions) // ACROSS)
    across = min(ACROSS, len(robustness.corruptions))

    def paint(figure: Figure) -> None:
        axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for place, panel in enumerate(axes.flat):
            if place < len(robustness.corruptions):
                _panel(panel, robustness, robustness.corruptions[place])
                baseline.draw_baselines(panel, run_data.learning.baselines, "y")
                panel.tick_params(labelbottom=place + across >= len(robustness.corruptions))
            else:
                panel.axis("off")
        figure.supxlabel("severity (0: not corrupted)", fontsize=9, color=theme.MUTED)
        figure.supylabel("test accuracy (%)", fontsize=9, color=theme.MUTED)
        legend_below(figure, axes.flat[0])

    alt = (
        f"Test accuracy by severity of {len(robustness.corruptions)} corruptions, "
        f"one line for each of {len(robustness.networks)} networks"
    )
    return draw_chart(
        "corruptions",
        alt,
        _seen(robustness, run_data.learned),
        (2.45 * across + 0.6, 1.9 * down + 1.0),
        paint,
    )


def _panel(axes: Axes, robustness: Robustness, corruption: str) -> None:
    for one in robustness.networks:
        points = [
            (0, one.clean),
            *((severity, one.accuracies.get((corruption, severity))) for severity in SEVERITIES),
        ]
        known = [(severity, 100 * value) for severity, value in points if value is not None]
        axes.plot(
            [x for x, _ in known],
            [y for _, y in known],
            color=theme.colour(one.backbone),
            marker=theme.marker(one.backbone),
            markersize=4.5,
            linewidth=1.4,
            markeredgecolor="none",
            label=wording.in_figure(one.backbone),
        )
    axes.set_title(corruption, fontsize=9, pad=4)
    axes.set_xticks([0, *SEVERITIES])
    axes.tick_params(labelsize=7.5)


def _seen(robustness: Robustness, learned: Collection[str]) -> str:
    """Caption: the network with the highest mean accuracy on corrupted images."""
    kept = [
        (mean, one.backbone)
        for one in robustness.networks
        if one.backbone in learned and (mean := _mean(one)) is not None
    ]
    best = max(kept, default=None)
    return (
        f"Most correct over all corrupted images: {wording.title(best[1])}, "
        f"{wording.percent(best[0])}."
        if best
        else ""
    )
