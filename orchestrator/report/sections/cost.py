"""Section: cost, and the networks on the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.cost import Cost, pareto
from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import baseline, elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import feature_time
from orchestrator.report.sections.foremost import MAX_NETWORKS, foremost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MEASURES = {
    "seconds": ("training time ({unit}, log scale)", "training time"),
    "gmacs": ("multiply-adds for one image (billions, log scale)", "multiply-adds"),
}

SECONDS_BELOW = 120.0
LEAST_SPAN = 8
"""A logarithmic axis of a smaller ratio has ticks at equal distances instead of 1, 2, 5."""

MEMORY = {
    "gpu": "on a GPU, the maximum that torch held in tensors",
    "process": "on a CPU, the maximum resident memory of the training process, including Python, "
    "torch and the images that it read",
}


def section(report: ReportData) -> Content:
    """Cost up to the compared period."""
    run_data, analysis = report.run_data, report.analysis
    several = ", mean over seeds" if run_data.run.spec.seeds > 1 else ""
    spec = run_data.run.spec
    sizes = {spec.preparation_of(name).image_size for name in spec.backbones}
    size = f"{sizes.pop()} px" if len(sizes) == 1 else "its network's size"
    on_features = ", on features" if any(one.feature_seconds for one in analysis.costs) else ""
    lead = (
        f"Training time is the wall time of all epochs up to epoch {analysis.epoch}{several}; "
        f"images/s are those of training{on_features}. "
        f"Multiply-adds are of one image of {size}, forward, with this data set's head. "
        f"{_consumption(analysis.costs)} {feature_time.told(run_data, analysis.costs)}"
    ).rstrip()
    drawn = elements.figures([_plot(run_data, analysis, measure) for measure in MEASURES], 2)
    folded = elements.fold(f"{_called(run_data.metric)} against cost", *drawn)
    return Content(lead, (_table(analysis, run_data.metric), *folded))


def _called(metric: Metric) -> str:
    return "Accuracy" if metric.name == "accuracy" else metric.title


def _table(analysis: Analysis, metric: Metric) -> Table:
    rows = []
    for cost in analysis.costs:
        seconds = cost.seconds.mean if cost.seconds else None
        rows.append(
            (
                wording.title(cost.backbone),
                _cell(wording.metric(metric, cost.value), cost.value),
                _cell(wording.duration(seconds), seconds),
                _cell(
                    "–" if cost.images_per_second is None else f"{cost.images_per_second:,.0f}",
                    cost.images_per_second,
                ),
                _cell("–" if cost.parameters is None else f"{cost.parameters:,}", cost.parameters),
                _cell("–" if cost.run_gmacs is None else f"{cost.run_gmacs:.3f}", cost.run_gmacs),
                _cell(_memory(cost, analysis.costs), cost.peak_memory_bytes),
                _cell(wording.energy(cost.energy_kwh, _whole(cost)), cost.energy_kwh),
            )
        )
    head = (
        "Network",
        metric.title,
        "Training time",
        "Images/s",
        "Parameters",
        "Multiply-adds (billions)",
        "Peak memory",
        "kWh",
    )
    caption, numeric = f"Cost up to epoch {analysis.epoch}", tuple(range(1, len(head)))
    return Table(head, tuple(rows), numeric, name="cost", title=caption, style="long")


def _consumption(costs: Sequence[Cost]) -> str:
    """Explanation of peak memory and energy, if any was measured."""
    of = [MEMORY[whose] for whose in MEMORY if any(cost.memory_of == whose for cost in costs)]
    told = [f"Peak memory: {'; '.join(of)}."] if of else []
    if any(cost.energy_kwh is not None for cost in costs):
        told.append(
            "kWh is the energy that NVML counted for the whole GPU during training, for all its "
            "users, without the rest of the machine."
        )
    if told:
        told.append(
            "Both describe the attempts that finished a period, from their resume point on."
        )
    if any(cost.energy_kwh is not None and not _whole(cost) for cost in costs):
        told.append(
            "≥: some epochs or features are not counted, because their attempt did not finish or "
            "was not measured."
        )
    return " ".join(told) or "Neither peak memory nor energy was recorded."


def _memory(cost: Cost, costs: Sequence[Cost]) -> str:
    """Peak memory; says GPU or process where the networks differ."""
    mixed = len({each.memory_of for each in costs if each.memory_of}) > 1
    return wording.memory(cost.peak_memory_bytes) + (
        f" ({cost.memory_of})" if mixed and cost.memory_of else ""
    )


def _whole(cost: Cost) -> bool:
    return cost.energy_share is not None and cost.energy_share > 0.9999


def _cell(text: str, key: float | None) -> Cell:
    return Cell(text, -1.0 if key is None else float(key))


def price(cost: Cost, measure: str) -> float | None:
    """A measure of cost: seconds of training, or billions of multiply-adds; None if unknown."""
    if measure == "seconds":
        return cost.seconds.mean if cost.seconds and cost.seconds.mean else None
    return cost.run_gmacs or None


def time_unit(seconds: Iterable[float]) -> tuple[str, float]:
    """The unit of an axis with these times: its name, and how many seconds it has."""
    longest = max(seconds, default=0.0)
    return ("seconds", 1.0) if longest < SECONDS_BELOW else ("minutes", 60.0)


def log_scale(axis: Axis) -> None:
    """Make a horizontal axis with its data logarithmic, with several plain numbers."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    axis.axes.set_xscale("log")
    low, high = axis.get_data_interval()
    narrow = high < LEAST_SPAN * low
    axis.set_major_locator(MaxNLocator(4) if narrow else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: "")


def point(axes: Axes, backbone: str, place: tuple[float, float], named: bool) -> None:
    """Draw a network; in grey and without a name where it is not `named`."""
    if not named:
        axes.plot(*([value] for value in place), ".", color=theme.MUTED, markersize=5)
        return
    axes.plot(
        *([value] for value in place),
        marker=theme.marker(backbone),
        color=theme.colour(backbone),
        markersize=8.5,
        linestyle="none",
        label=wording.in_figure(backbone),
    )


def _priced(
    analysis: Analysis, measure: str, scale: float
) -> tuple[str, list[tuple[str, tuple[float, float]]]]:
    """The unit of time, and each network with its price and its value."""
    paid = {cost.backbone: price(cost, measure) for cost in analysis.costs}
    unit, least = time_unit(each or 0.0 for each in paid.values())
    size = least if measure == "seconds" else 1.0
    return unit, [
        (cost.backbone, (value / size, scale * cost.value))
        for cost in analysis.costs
        if (value := paid[cost.backbone]) and cost.value is not None
    ]


def _plot(run_data: RunData, analysis: Analysis, measure: str) -> Chart | None:
    metric = run_data.metric
    scale = 100 if metric.form == "share" else 1
    unit, priced = _priced(analysis, measure, scale)
    if len(priced) < 2:
        return None
    fit = [(name, point) for name, point in priced if name in run_data.better_than_guessing]
    line = [fit[i] for i in pareto([(cheap, metric.sign * value) for _, (cheap, value) in fit])]
    axis, called = MEASURES[measure]
    best = [name for name, _ in line]
    shown = list(dict.fromkeys([*best, *foremost(run_data)]))[:MAX_NETWORKS]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        if line:
            x_line, y_line = zip(*(point for _, point in line), strict=True)
            axes.plot(x_line, y_line, color=theme.MUTED, linewidth=1.1, linestyle="--")
        for backbone, place in priced:
            point(axes, backbone, place, backbone in shown)
        if metric.name == "accuracy":
            baseline.draw_baselines(axes, run_data.learning.baselines, "y")
        log_scale(axes.xaxis)
        axes.margins(x=0.08, y=0.1)
        axes.set(xlabel=axis.format(unit=unit), ylabel=wording.axis(metric))
        basis = f"after epoch {analysis.epoch} · dashed: the Pareto line"
        title(axes, f"{_called(metric)} against {called}", basis)
        legend_below(figure, axes)

    named = wording.listed([wording.title(name) for name in best])
    return draw_chart(
        f"cost-{measure}",
        f"{metric.title} against {called}",
        f"No network is both cheaper and better than {named}." if best else "",
        (5.8, 4.2),
        paint,
    )
