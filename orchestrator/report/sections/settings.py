"""Section: the settings of each network in a grid, by validation accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.spec.setting import network_of, told_of
from orchestrator.analysis.best_settings import SettingResult
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.report_data import ReportData

MAX_NAMED = 4


def section(report: ReportData) -> Content | None:
    """A row for each setting; None where no network has several."""
    results = report.analysis.settings
    if not results:
        return None
    images = sum(counts.get("validation", 0) for counts in report.run_data.images_by_class.values())
    lead = (
        f"A setting should be chosen on validation images ({images:,} here), not on test images: "
        f"the best of many is partly luck. {best_told(results)} Test accuracies below are to be "
        "read for these settings; those of the others only say how much the setting matters."
    )
    return Content(lead, (_table(report.run_data, results),))


def best_told(results: Sequence[SettingResult]) -> str:
    """The best setting of each network by validation, with both accuracies, as a sentence."""
    best = [one for one in results if one.best]
    named = [
        f"{wording.title(one.backbone)} ({wording.percent(one.validation_accuracy)} on validation, "
        f"{wording.percent(one.accuracy)} on test images)"
        for one in best[:MAX_NAMED]
    ]
    if len(best) > MAX_NAMED:
        named.append(f"{len(best) - MAX_NAMED} more, see Settings")
    return f"By validation accuracy the best: {wording.listed(named)}." if named else ""


def _table(run_data: RunData, results: Sequence[SettingResult]) -> Table:
    rows = tuple(
        (
            wording.title(network_of(one.backbone)),
            told_of(one.backbone),
            _share(one.validation_accuracy),
            Cell(wording.loss(one.validation_loss), -1.0)
            if one.validation_loss is None
            else Cell(wording.loss(one.validation_loss), one.validation_loss),
            _share(one.accuracy),
            Cell(str(one.seeds), one.seeds),
        )
        for one in results
    )
    head = (
        "Network",
        "Setting",
        "Validation accuracy",
        "Validation loss",
        "Test accuracy",
        "Seeds",
    )
    best = tuple(place for place, one in enumerate(results) if one.best)
    title = f"Settings after epoch {run_data.run.epoch_of(run_data.period)}; the best by validation"
    return Table(head, rows, (2, 3, 4, 5), best, "settings", title, "long")


def _share(value: float | None) -> Cell:
    return Cell(wording.percent(value), -1.0 if value is None else value)
