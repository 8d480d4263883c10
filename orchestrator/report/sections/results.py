"""Section: the results of each shown period, and the accuracy of each network."""

from __future__ import annotations

from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import Content, Fold, Part, Table
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import learning_curves, result_tables


def section(report: ReportData) -> Content:
    """The compared period's table, a figure of all accuracies, and the other shown periods."""
    run_data = report.run_data
    several = (
        " Each figure is the mean over the splits and seeds that were tested, ± is the sample "
        "deviation; each training's counts are in report.json."
        if run_data.splits
        else " Each figure is the mean over the seeds that were tested, ± is the sample deviation; "
        "each seed's counts are in report.json."
        if run_data.run.spec.seeds > 1
        else ""
    )
    leading = _over_splits(run_data.metric) if run_data.splits else _leading(run_data.metric)
    lead = (
        f"{leading} Test loss is the mean cross entropy in nats an image, training time the wall "
        f"time of the period’s epochs{_features(run_data)}.{several}"
    )
    last, *earlier = sorted(run_data.periods, reverse=True)
    built: list[Part] = [
        result_tables.study(run_data, last),
        *elements.figures([learning_curves.leading_figure(run_data)]),
        *_metrics_folded(run_data, last),
    ]
    for number in earlier:
        table = result_tables.study(run_data, number)
        built += elements.fold(table.title, table, *_every_metric(run_data, number))
    return Content(lead, tuple(built))


def _features(run_data: RunData) -> str:
    """What the time of the first period includes, where networks trained on features."""
    known = any(
        result.feature_seconds
        for standing in run_data.comparison.at(1)
        for result in standing.results
    )
    return ", in the first with the features before them" if known else ""


def _leading(metric: Metric) -> str:
    """What leads the tables, and where its interval comes from."""
    accuracy = "Test accuracy is the share of test images predicted correctly"
    if metric.name == "accuracy":
        return f"{accuracy}; its 95% interval (Wilson) speaks of other images, not of other seeds."
    how = "Wilson" if metric.form == "share" else "Student"
    return (
        f"Networks are ranked by {wording.noun(metric)} ({metric.help}; "
        f"{'higher' if metric.higher_is_better else 'lower'} is better); its 95% interval ({how}) "
        f"speaks of other images, not of other seeds. {accuracy}."
    )


def _over_splits(metric: Metric) -> str:
    """The same over several splits."""
    return (
        f"{metric.title} is the {metric.help}; its 95% interval is over splits, corrected for the "
        "images that they share (Nadeau and Bengio)."
    )


def _metrics_folded(run_data: RunData, period: int) -> list[Fold]:
    """All metrics after a period, and what they mean."""
    metric_tables = _every_metric(run_data, period)
    return (
        elements.fold("Every metric", *metric_tables, result_tables.meanings(len(run_data.classes)))
        if metric_tables
        else []
    )


def _every_metric(run_data: RunData, period: int) -> list[Table]:
    table = result_tables.every_metric(run_data, period)
    return [table] if table else []
