"""Section: how well a ranking by frozen features foretold the trained networks (`orch rank`)."""

from __future__ import annotations

from orchestrator.analysis.foretold import Foretold
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.report_data import ReportData


def section(report: ReportData) -> Content | None:
    """Kendall's tau in a sentence, and both orders in a table; None without a ranking."""
    told, metric = report.analysis.foretold, report.run_data.metric
    if told is None:
        return None
    rows = tuple(
        (
            wording.title(one.backbone),
            Cell(wording.percent(one.probe_accuracy), one.probe_accuracy),
            Cell(f"{one.rank:g}", one.rank),
            Cell(wording.metric(metric, one.value), one.value),
            Cell(f"{one.trained_rank:g}", one.trained_rank),
        )
        for one in told.networks
    )
    head = ("Network", "Probe accuracy", "Rank", metric.title, "Rank when trained")
    title = "Foretold by frozen features"
    table = Table(head, rows, (1, 2, 3, 4), name="foretold", title=title, style="long")
    return Content(_lead(told, wording.noun(metric)), (table,))


def _lead(told: Foretold, noun: str) -> str:
    agree = (
        "the same order"
        if told.tau == 1
        else "the opposite order"
        if told.tau == -1
        else "an order that cannot be compared on so few images"
        if told.low <= -0.5 and told.high >= 0.5
        else "an order that agrees in part"
        if told.tau > 0
        else "an order that does not agree"
    )
    few = " Two networks tell only whether they changed places." if len(told.networks) == 2 else ""
    return (
        f"Before training, {told.run} ranked {wording.count(len(told.networks), 'network')} by a "
        f"logistic probe on frozen features of {wording.count(told.images, 'image')}, in "
        f"{wording.duration(told.seconds)}. Training gave {agree} by {noun} after period "
        f"{told.period}: Kendall’s tau {told.tau:.2f} (95% interval {told.low:.2f} to "
        f"{told.high:.2f}, bootstrap over the images of both, for these networks).{few} The "
        "ranking never saw the test images."
    )
