"""Section: learning curves, and the leading metric of each network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.catalog.metrics import STOPPING_DEFAULT, chosen, validated
from orchestrator.analysis.metrics import METRICS, Metric
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.spreads import spread
from orchestrator.analysis.standings import EpochRow
from orchestrator.report.rendering import baseline, elements, theme, wording
from orchestrator.report.rendering.elements import Content, Part, Text
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title, whole_ticks
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import periods
from orchestrator.report.sections.foremost import MAX_NETWORKS, foremost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS = "cross entropy (nats per image)"
MEASURES = {
    "train_loss": ("Training loss", LOSS, "training", "loss"),
    "val_loss": ("Validation loss", LOSS, "validation", "loss"),
    "val_accuracy": ("Validation accuracy", "accuracy (%)", "validation", "accuracy"),
}
"""Columns of an epoch: title, unit, images, and the metric that they are values of."""


def described(measure: str) -> tuple[str, str, str, str]:
    """The same for any column, also of a metric that only newer trainings record."""
    if measure in MEASURES:
        return MEASURES[measure]
    metric = validated()[measure]
    noun = wording.noun(metric)
    return f"Validation {noun}", wording.axis(metric), "validation", metric.name


def shown_measures(run_data: RunData) -> list[str]:
    """Columns of the first figures: the leading metric, that of early stopping, then the usual."""
    spec = run_data.run.spec
    stopping = chosen(spec.early_stop_metric).name
    names = [run_data.metric.name, *([stopping] if stopping != STOPPING_DEFAULT else [])]
    told = [name for name in names if METRICS[name].tells_of(len(run_data.classes))]
    return list(dict.fromkeys([*(f"val_{name}" for name in told), "val_accuracy", "val_loss"]))


def learning(run_data: RunData, measure: str, period: int | None) -> Chart | None:
    """A measure over one period's epochs (None: all), all backbones; None without data."""
    rows = [row for row in run_data.comparison.epochs if period in (None, row.period)]
    if not any(row.value(measure) is not None for row in rows):
        return None
    name, unit, split, _ = described(measure)
    stretch = periods.stretch_of(run_data, period)
    basis = _basis(run_data, split, [row.seed for row in rows])
    shown = foremost(run_data)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for backbone in run_data.comparison.backbones:
            if backbone not in shown:
                _pale_line(axes, [row for row in rows if row.backbone == backbone], measure)
        for backbone in shown:
            _line(axes, backbone, [row for row in rows if row.backbone == backbone], measure)
        if measure == "val_accuracy":
            baseline.draw_baselines(axes, run_data.learning.baselines, "y")
        if period is None:
            _mark_periods(axes, run_data)
        _dress(axes, f"{name}, {stretch}", basis, unit, sorted({row.epoch for row in rows}))
        legend_below(figure, axes)

    alt = (
        f"{name} by epoch, {stretch}, one line for each of {len(run_data.comparison.backbones)} "
        "networks"
    )
    file = f"{measure.replace('_', '-')}-{'all' if period is None else f'period-{period}'}"
    fit = [row for row in rows if row.backbone in run_data.learned]
    return draw_chart(file, alt, _seen(fit, measure), (5.8, 3.5), paint)


def _basis(run_data: RunData, split: str, seeds: Sequence[int]) -> str:
    """Images and seeds behind a figure."""
    by_class = run_data.images_by_class
    images = sum(counts.get(split.removesuffix("ing"), 0) for counts in by_class.values())
    told = [wording.count(images, f"{split} image") if images else "", seeds_of(run_data, seeds)]
    return " · ".join(filter(None, told))


def leading_figure(run_data: RunData) -> Chart | None:
    """The leading metric after the first and last period with intervals; None before any test."""
    shown = [p for p in run_data.periods if any(s.lead for s in run_data.comparison.at(p))]
    metric = run_data.metric
    if not shown:
        return None
    shown = sorted({shown[0], shown[-1]})
    basis = _leading_basis(run_data)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for period in shown:
            offset = 0.0 if len(shown) == 1 else 0.15 if period == shown[-1] else -0.15
            _dots(axes, run_data, period, offset)
        if metric.name == "accuracy":
            baseline.draw_baselines(axes, run_data.learning.baselines, "x")
        names = [wording.in_figure(b) for b in run_data.comparison.backbones]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", labelcolor=theme.INK)
        axes.set_xlabel(wording.axis(metric))
        title(axes, metric.title, basis)
        legend_below(figure, axes)

    epochs = [run_data.run.epoch_of(period) for period in shown]
    after = wording.listed([f"after epoch {epoch}" for epoch in epochs])
    key = f"Hollow: after epoch {epochs[0]}; filled: after epoch {epochs[-1]}. "
    caption = (
        f"{key if len(epochs) > 1 else ''}Bars that overlap do not decide: "
        f"the networks were tested on the same images, so paired tests do. "
        f"{baseline.told(run_data.learning.baselines) if metric.name == 'accuracy' else ''}"
    )
    count = len(run_data.comparison.backbones)
    height = 1.25 + min(0.42 * count, 3.0 + 0.18 * count)
    return draw_chart(
        metric.option, f"{metric.title} of each network {after}", caption, (6.6, height), paint
    )


def _leading_basis(run_data: RunData) -> str:
    """Images, seeds and intervals behind the figure of the leading metric."""
    over, each = ("splits", "trainings") if run_data.splits else ("images", "seeds")
    points = f"; points: {each}" if run_data.repeated else ""
    images = wording.count(run_data.test_images, "test image")
    return f"{images} · {seeds_of(run_data)} · bars: 95% interval over {over}{points}"


def seeds_of(run_data: RunData, seeds: Sequence[int] | None = None) -> str:
    """Number of seeds behind a figure: `one seed`, `3 seeds`."""
    present = len(set(seeds)) if seeds else run_data.run.spec.seeds
    told = "one seed" if present == 1 else f"{present} seeds"
    if run_data.splits:
        told = f"{wording.count(len(run_data.splits), 'split')}, {told}"
    several = present > 1 or run_data.splits
    return f"{told} (line: mean, band: lowest to highest)" if seeds and several else told


def _line(axes: Axes, backbone: str, rows: Sequence[EpochRow], measure: str) -> None:
    """Mean over seeds with a marker, and a band from lowest to highest seed."""
    by_epoch = _by_epoch(rows, measure)
    if not by_epoch:
        return
    epochs = sorted(by_epoch)
    axes.plot(
        epochs,
        _means(by_epoch),
        color=theme.colour(backbone),
        marker=theme.marker(backbone),
        markersize=5.5,
        linewidth=1.6,
        linestyle=theme.line(backbone),
        markeredgecolor="none",
        label=wording.in_figure(backbone),
    )
    if any(len(values) > 1 for values in by_epoch.values()):
        axes.fill_between(
            epochs,
            [min(by_epoch[e]) for e in epochs],
            [max(by_epoch[e]) for e in epochs],
            color=theme.colour(backbone),
            alpha=0.15,
            linewidth=0,
        )


def _pale_line(axes: Axes, rows: Sequence[EpochRow], measure: str) -> None:
    """Mean over seeds of a network that is not among the foremost ones."""
    if by_epoch := _by_epoch(rows, measure):
        axes.plot(sorted(by_epoch), _means(by_epoch), color=theme.MUTED, alpha=0.35, linewidth=0.8)


def _by_epoch(rows: Sequence[EpochRow], measure: str) -> dict[int, list[float]]:
    """The values of a measure by epoch, shares in percent."""
    scale = 100 if _metric(measure).form == "share" else 1
    by_epoch: dict[int, list[float]] = {}
    for row in rows:
        value = row.value(measure)
        if value is not None:
            by_epoch.setdefault(row.epoch, []).append(scale * value)
    return by_epoch


def _means(by_epoch: dict[int, list[float]]) -> list[float]:
    return [mean.mean for epoch in sorted(by_epoch) if (mean := spread(by_epoch[epoch]))]


def _mark_periods(axes: Axes, run_data: RunData) -> None:
    """Dotted lines at the ends of all periods but the last, where networks were tested."""
    if run_data.run.spec.epochs_per_period > 1:
        for period in range(1, run_data.run.spec.periods):
            axes.axvline(
                run_data.run.epoch_of(period), color=theme.MUTED, linewidth=0.8, linestyle=":"
            )


def _dots(axes: Axes, run_data: RunData, period: int, below: float) -> None:
    filled = below >= 0
    for place, standing in enumerate(run_data.comparison.at(period)):
        if not standing.lead:
            continue
        scale = 100 if standing.metric.form == "share" else 1
        height, mean, hue = (
            place + below,
            scale * standing.lead.mean,
            theme.colour(standing.backbone),
        )
        name, reach = standing.metric.name, standing.lead_interval
        seeds = [scale * one.metrics[name] for one in standing.results if name in one.metrics]
        if len(seeds) > 1:
            axes.plot(seeds, [height] * len(seeds), "|", color=hue, markersize=9)
        if reach:
            axes.plot(
                [scale * reach.low, scale * reach.high],
                [height, height],
                color=hue,
                linewidth=2 if filled else 1.2,
                solid_capstyle="round",
            )
        axes.plot(
            [mean],
            [height],
            marker=theme.marker(standing.backbone),
            markersize=7.5,
            color=hue,
            markerfacecolor=hue if filled else theme.HOLLOW,
            linestyle="none",
        )


def _dress(axes: Axes, heading: str, basis: str, unit: str, epochs: list[int]) -> None:
    title(axes, heading, basis)
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    axes.set_xticks(whole_ticks(epochs))
    axes.margins(x=0.05 if len(epochs) > 1 else 0.5)


def _seen(rows: Sequence[EpochRow], measure: str) -> str:
    """Caption: the best networks at the last epoch, and their value."""
    last = max((row.epoch for row in rows), default=0)
    ends: dict[str, list[float]] = {}
    for row in rows:
        end = row.value(measure)
        if row.epoch == last and end is not None:
            ends.setdefault(row.backbone, []).append(end)
    if not ends:
        return ""
    means = {backbone: sum(values) / len(values) for backbone, values in ends.items()}
    metric = _metric(measure)
    best = (max if metric.higher_is_better else min)(means.values())
    value = wording.percent(best) if metric.form == "share" else f"{best:.3f}"
    most = "Highest" if metric.higher_is_better else "Lowest"
    first = [wording.title(backbone) for backbone, mean in means.items() if mean == best]
    return f"{most} at epoch {last}: {wording.few(first)}, {value}."


def _metric(measure: str) -> Metric:
    return METRICS[described(measure)[3]]


def section(report: ReportData) -> Content:
    """Learning curves over all epochs; those of single periods and of training loss folded."""
    run_data = report.run_data
    spec = run_data.run.spec
    lead = (
        "Every network has the same colour and marker in all figures. Each figure has its own "
        "scale."
    )
    if spec.periods > 1:
        lead += (
            " Dotted lines: the ends of periods, where the networks were evaluated."
            if spec.epochs_per_period > 1
            else " A period is one epoch here."
        )
    if len(run_data.comparison.backbones) > MAX_NETWORKS:
        lead += f" The {MAX_NETWORKS} best networks have colours, the others are thin grey lines."
    whole = [learning(run_data, measure, None) for measure in shown_measures(run_data)]
    training = elements.figures([learning(run_data, "train_loss", None)], 2)
    built: list[Part] = [*elements.figures(whole, 2)]
    built += elements.fold("Training loss", *training)
    built = built or [Text("No epoch is published yet.")]
    if spec.periods > 1 and spec.epochs_per_period > 1:
        for number in sorted(run_data.periods, reverse=True):
            columns = dict.fromkeys([*MEASURES, *shown_measures(run_data)])
            own = elements.figures([learning(run_data, m, number) for m in columns], 2)
            built += elements.fold(periods.title(run_data, number), *own)
    return Content(lead, tuple(built))
