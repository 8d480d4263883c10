"""Section: the settings of each network in a grid, by validation."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.catalog.metrics import METRICS, Metric
from jobs.spec.setting import network_of, told_of
from orchestrator.analysis.best_settings import SettingResult
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.report_data import ReportData


def section(report: ReportData) -> Content | None:
    """A row for each setting; None where no network has several."""
    results = report.analysis.settings
    if not results:
        return None
    images = sum(counts.get("validation", 0) for counts in report.run_data.images_by_class.values())
    lead = (
        f"A setting should be chosen on validation images ({images:,} here), not on test images: "
        f"the best of many is partly luck. {best_told(results)} Test values below are to be read "
        "for these settings; those of the others only say how much the setting matters."
    )
    return Content(lead, (_table(report.run_data, results),))


def best_told(results: Sequence[SettingResult]) -> str:
    """The best setting of each network by validation, with both values, as a sentence."""
    best = [one for one in results if one.best]
    if not best:
        return ""
    metric = METRICS[best[0].metric]
    named = [
        f"{wording.title(one.backbone)} ({wording.metric(metric, one.validation)} on validation, "
        f"{wording.metric(metric, one.tested)} on test images)"
        for one in best[: wording.FEW]
    ]
    if len(best) > wording.FEW:
        named.append(f"{len(best) - wording.FEW} more, see Settings")
    by = wording.noun(metric).removeprefix("test ")
    return f"By validation {by} the best: {wording.listed(named)}."


def _table(run_data: RunData, results: Sequence[SettingResult]) -> Table:
    metric = METRICS[results[0].metric]
    shown = [] if metric.name in ("accuracy", "loss") else [metric]
    head = (
        *("Network", "Setting"),
        *(
            name
            for one in shown
            for name in (f"Validation {wording.noun(one)}", f"Test {wording.noun(one)}")
        ),
        *(
            "Validation accuracy",
            "Validation loss",
            "Test accuracy",
            "Trainings" if run_data.splits else "Seeds",
        ),
    )
    rows = tuple(
        (
            wording.title(network_of(one.backbone)),
            told_of(one.backbone),
            *(_value(each, value) for each in shown for value in (one.validation, one.tested)),
            _value(METRICS["accuracy"], one.validation_accuracy),
            _value(METRICS["loss"], one.validation_loss),
            _value(METRICS["accuracy"], one.accuracy),
            Cell(str(one.seeds), one.seeds),
        )
        for one in results
    )
    best = tuple(place for place, one in enumerate(results) if one.best)
    title = f"Settings after epoch {run_data.run.epoch_of(run_data.period)}; the best by validation"
    numeric = tuple(range(2, len(head)))
    return Table(head, rows, numeric, best, "settings", title, "long")


def _value(metric: Metric, value: float | None) -> Cell:
    return Cell(wording.metric(metric, value), -1.0 if value is None else value)
