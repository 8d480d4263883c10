"""Tables of results by period: the study's columns, and every metric."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from orchestrator.analysis.metrics import METRICS, Metric, in_order, recorded
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.spreads import Spread
from orchestrator.analysis.standings import Standing
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Table
from orchestrator.report.sections import periods

INTERVAL = "95% interval"


def study(run_data: RunData, period: int) -> Table:
    """The study's table of one period: the leading metric, test accuracy, test loss, time."""
    standings, several = run_data.comparison.at(period), run_data.repeated
    learned = run_data.learning.learned(run_data.comparison.backbones, period)
    fit = [s.lead.mean for s in standings if s.lead and s.backbone in learned]
    top = (max if run_data.metric.higher_is_better else min)(fit, default=None)
    best = tuple(
        place
        for place, s in enumerate(standings)
        if s.lead and s.lead.mean == top and s.backbone in learned
    )
    name, title = f"period-{period}", periods.title(run_data, period)
    rows = tuple((_several if several else _single)(run_data, s) for s in standings)
    head = _study_head(run_data.metric, several)
    head = (*head[:-1], "Trainings") if run_data.splits else head
    return Table(head, rows, tuple(range(1, len(head))), best, name, title, "study")


def _columns(leading: Metric) -> list[Metric]:
    """The metrics of the study's table: first the one that leads, then those recorded."""
    return [leading, *(metric for metric in recorded() if metric.name != leading.name)]


def _study_head(leading: Metric, several: bool) -> tuple[str, ...]:
    columns = ["Network"]
    for metric in _columns(leading):
        deviates = several and _deviates(metric, leading)
        columns += [metric.title, *([f"± {metric.name.replace('_', '-')}"] if deviates else [])]
        columns += [INTERVAL] if metric is leading else []
    return (*columns, "Training time", *(("± time", "Seeds") if several else ()))


def _deviates(metric: Metric, leading: Metric) -> bool:
    """Whether its deviation has a column: of all that are recorded, unless another one leads."""
    return metric is leading or leading.name in {one.name for one in recorded()}


def every_metric(run_data: RunData, period: int) -> Table | None:
    """All metrics after a period, mean and deviation over seeds; None without predictions."""
    standings = run_data.comparison.at(period)
    told = {name: None for standing in standings for name in standing.metrics}
    known = [one for one in in_order(told) if one.tells_of(len(run_data.classes))]
    if len(known) <= len(recorded()):
        return None
    rows = tuple(
        (_named(run_data, standing), *(_metric(metric, standing) for metric in known))
        for standing in standings
    )
    head = ("Network", *(metric.title for metric in known))
    title = f"Every metric: {periods.title(run_data, period)}"
    numeric = tuple(range(1, len(head)))
    return Table(head, rows, numeric, name=f"metrics-{period}", title=title, style="long")


def meanings(classes: int) -> Table:
    """What each metric means that tells of so many classes, and whether higher is better."""
    rows = tuple(
        (metric.title, "higher" if metric.higher_is_better else "lower", metric.help)
        for metric in METRICS.values()
        if metric.tells_of(classes)
    )
    head, title = ("Metric", "Better", "Meaning"), "What the metrics mean"
    return Table(head, rows, name="metrics", title=title, style="unsorted")


def _metric(metric: Metric, standing: Standing) -> Cell:
    spread = standing.metrics.get(metric.name)
    return Cell(wording.metrics(metric, spread), spread.mean) if spread else Cell("–", -1.0)


def _single(run_data: RunData, standing: Standing) -> tuple[str, ...]:
    whole = standing.whole_seconds
    took = whole.mean if whole else None
    seen, shown = standing.results[0].epochs_seen, wording.duration(took)
    if 0 < seen < run_data.run.spec.epochs_per_period:
        shown += f" ({seen} of {run_data.run.spec.epochs_per_period} epochs)"
    time = Cell(shown, took if took is not None else -1.0)
    if not standing.tests:
        dashes = ["–"] * (len(_study_head(standing.metric, False)) - 3)
        return _named(run_data, standing), "not tested yet", *dashes, time
    cells: list[str] = []
    for metric in _columns(standing.metric):
        value = standing.results[0].metrics.get(metric.name)
        if metric.name == "accuracy":
            test = standing.tests[0]
            cells.append(Cell(wording.accuracy(test.correct, test.total), value))
        else:
            cells.append(Cell(wording.metric(metric, value), value) if value is not None else "–")
        cells += [_interval(standing)] if metric is standing.metric else []
    return _named(run_data, standing), *cells, time


def _several(run_data: RunData, standing: Standing) -> tuple[str, ...]:
    cells: list[str] = []
    for metric in _columns(standing.metric):
        both = _mean_and_deviation(
            standing.metrics.get(metric.name), partial(wording.metric, metric)
        )
        cells += both if _deviates(metric, standing.metric) else both[:1]
        cells += [_interval(standing)] if metric is standing.metric else []
    return (
        _named(run_data, standing),
        *cells,
        *_mean_and_deviation(standing.whole_seconds, wording.duration),
        Cell(str(len(standing.tests)), len(standing.tests)),
    )


def _mean_and_deviation(spread: Spread | None, told: Callable[[float], str]) -> tuple[str, str]:
    deviation = spread.deviation if spread else None
    return (
        Cell(told(spread.mean), spread.mean) if spread else "–",
        Cell(told(deviation), deviation) if deviation is not None else "–",
    )


def _named(run_data: RunData, standing: Standing) -> str:
    """The network's title, with a word if it had learned nothing by then."""
    nothing = run_data.learning.nothing(standing.backbone, standing.period)
    return wording.title(standing.backbone) + (" (learned nothing)" if nothing else "")


def _interval(standing: Standing) -> str:
    interval = standing.lead_interval
    return Cell(wording.range_of(standing.metric, interval), interval.low) if interval else "–"
