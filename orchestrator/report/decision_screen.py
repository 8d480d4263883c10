"""The first screen of a report: the answer, three numbers, and one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.cost import pareto
from orchestrator.analysis.decision import Candidate, Decision
from orchestrator.analysis.run_data import RunData
from orchestrator.report import decision_words
from orchestrator.report.rendering import theme, wording
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title
from orchestrator.report.sections.cost import log_scale, point, time_unit
from orchestrator.report.sections.foremost import MAX_NETWORKS, foremost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A number with what it is, and where it comes from."""

    value: str
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Screen:
    """What is seen first: `sentences` follow the answer; empty parts are left out."""

    sentences: tuple[str, ...]
    figures: tuple[KeyFigure, ...]
    picture: Chart | None


def first_screen(run_data: RunData, analysis: Analysis) -> Screen:
    """The first screen of a run's report."""
    decision = analysis.decision
    if decision is None:
        return Screen((), (), None)
    told = tuple(decision_words.sureness(run_data, analysis))
    if not decision.worth_taking:
        return Screen(told, (), None)
    shown = decision.taken or decision.candidate(decision.closest)
    shown = shown or decision.worth_taking[0]
    numbers = _figures(run_data, decision, shown)
    return Screen(told, numbers, _picture(run_data, analysis, decision))


def _figures(
    run_data: RunData, decision: Decision, one: Candidate
) -> tuple[KeyFigure, KeyFigure, KeyFigure]:
    """Three numbers: how good, how fast, how large."""
    metric, name = run_data.metric, decision_words.name_of(one)
    images = wording.count(run_data.test_images, "test image")
    reach = f", 95% interval {wording.range_of(metric, one.interval)}" if one.interval else ""
    good = KeyFigure(
        wording.metric(metric, one.value), f"{wording.noun(metric)} of {name}", f"{images}{reach}"
    )
    if one.latency_ms is None or decision.machine is None:
        fast = KeyFigure(wording.duration(one.seconds), "of training", "latency: not benchmarked")
    else:
        by = decision_words.BY.get(one.runtime or "", one.runtime)
        threads = wording.count(decision.machine.threads, "thread")
        fast = KeyFigure(
            decision_words.milliseconds(one.latency_ms),
            "for one image, in 95 of 100 runs",
            f"{by}, {threads}, {decision.machine.computes}; median "
            f"{decision_words.milliseconds(one.p50_ms)}",
        )
    weights = "no pretrained weights" if one.licence == "none used" else one.licence
    licence = f"licence of the weights: {weights}"
    if one.size_bytes is None:
        parameters = "–" if one.parameters is None else wording.size(one.parameters)
        return good, fast, KeyFigure(parameters, "parameters", licence)
    return good, fast, KeyFigure(decision_words.megabytes(one.size_bytes), "on disk", licence)


def _picture(run_data: RunData, analysis: Analysis, decision: Decision) -> Chart | None:
    """The metric against latency where networks were benchmarked, else against training time."""
    measured = [each for each in decision.candidates if each.latency_ms is not None]
    if len(measured) >= 2:
        points = {each.backbone: (each.latency_ms or 0.0, each.value) for each in measured}
        where = decision.machine
        assert where is not None
        basis = f"{wording.count(where.threads, 'thread')}, {where.computes}"
        return _drawn(
            run_data,
            decision,
            points,
            "latency of one image in 95 of 100 runs (ms, log scale)",
            basis,
            "latency",
        )
    times = {each.backbone: each.seconds for each in decision.candidates if each.seconds}
    unit, seconds = time_unit(times.values())
    points = {
        each.backbone: (times[each.backbone] / seconds, each.value)
        for each in decision.candidates
        if each.backbone in times
    }
    if len(points) < 2:
        return None
    basis = f"after epoch {analysis.epoch}; no latency is measured"
    axis = f"training time ({unit}, log scale)"
    return _drawn(run_data, decision, points, axis, basis, "training time")


def _drawn(
    run_data: RunData,
    decision: Decision,
    points: dict[str, tuple[float, float]],
    axis: str,
    basis: str,
    price: str,
) -> Chart:
    metric = run_data.metric
    scale = 100 if metric.form == "share" else 1
    fit = [each.backbone for each in decision.worth_taking if each.backbone in points]
    priced = [(points[name][0], metric.sign * points[name][1]) for name in fit]
    front = [fit[at] for at in pareto(priced)]
    shown = list(dict.fromkeys([*front, *foremost(run_data)]))[:MAX_NETWORKS]
    limit = decision.constraints.max_latency_ms if price == "latency" else None

    ringed = _ringed(decision, points, price)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        line = [(points[name][0], scale * points[name][1]) for name in front]
        if line:
            axes.plot(*zip(*line, strict=True), color=theme.MUTED, linewidth=1.1, linestyle="--")
        for name, (x, y) in points.items():
            point(axes, name, (x, scale * y), name in shown)
        _circle(axes, ringed, scale)
        if limit is not None:
            axes.axvline(limit, color=theme.WRONG, linewidth=1.2)
        log_scale(axes.xaxis)
        axes.margins(x=0.1, y=0.14)
        axes.set(xlabel=axis, ylabel=wording.axis(metric))
        title(axes, f"{metric.title} against {price}", f"{basis} · dashed: none is better for less")
        legend_below(figure, axes)

    told = wording.listed([wording.title(name) for name in front])
    line = f" The vertical line is the limit of {limit:g} ms." if limit is not None else ""
    circled = f" The ring is around the {_whose(decision)}." if ringed else ""
    alt = f"{metric.title} against {price}: none is better for less than {told}"
    return draw_chart("decision", alt, f"{line}{circled}".strip(), (6.4, 3.5), paint)


def _whose(decision: Decision) -> str:
    numbers = " (with 8-bit numbers)" if decision.int8_choice else ""
    return f"network to take{numbers}" if decision.constraints else "network of these numbers"


def _ringed(
    decision: Decision, points: dict[str, tuple[float, float]], price: str
) -> tuple[float, float] | None:
    """Where the network to take is drawn, with 8-bit numbers where it is taken with them."""
    build = decision.int8_choice
    if build is not None and price == "latency":
        return build.latency_ms or 0.0, build.value
    return points.get(decision.choice or "")


def _circle(axes: Axes, place: tuple[float, float] | None, scale: float) -> None:
    """A ring around the choice."""
    if place is not None:
        axes.plot(
            [place[0]],
            [scale * place[1]],
            "o",
            markersize=17,
            markerfacecolor="none",
            markeredgecolor=theme.INK,
            markeredgewidth=1.3,
        )
