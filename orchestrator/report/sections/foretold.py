"""Section: how well a ranking by frozen features foretold the trained networks (`orch rank`)."""

from __future__ import annotations

import math

from orchestrator.analysis.foretold import Foretold
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.report_data import ReportData

FEW = 5
"""With fewer networks even the same order may come about by chance in more than 5% of rankings."""


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
    networks = wording.count(len(told.networks), "network")
    return (
        f"Before training, {told.run} ranked {networks} by a "
        f"logistic probe on frozen features of {wording.count(told.images, 'image')}, in "
        f"{wording.duration(told.seconds)}. Training gave {_agree(told)} by {noun} after period "
        f"{told.period}: Kendall’s tau {told.tau:.2f} (95% interval {told.low:.2f} to "
        f"{told.high:.2f}, bootstrap over the images of both, for these {networks})."
        f"{_doubt(told)} The ranking never saw the test images."
    )


def _agree(told: Foretold) -> str:
    """How both orders agree; in part, only where the interval tells that from chance."""
    if told.tied_pairs == told.pairs:
        return "no order, as all networks are tied in it or in the ranking,"
    order = {1.0: "the same order", -1.0: "the opposite order"}.get(round(told.tau, 9))
    if order:
        return order if not told.tied_pairs else f"{order}, but for ties,"
    if told.low <= 0 <= told.high:
        return "an order whose agreement cannot be told from chance on these images"
    return "an order that agrees in part" if told.tau > 0 else "an order that does not agree"


def _doubt(told: Foretold) -> str:
    """What so few networks, ties or so wide an interval cannot show."""
    number, doubts = len(told.networks), []
    if number < FEW:
        times = math.factorial(number)
        doubts.append(
            f" So few networks show nothing about rankings: {number} come into the same order by "
            f"chance once in {times} times."
        )
    elif told.low <= 0 <= told.high:
        doubts.append(" The interval includes 0: this says nothing about how well it foretells.")
    if told.tied_pairs:
        doubts.append(
            f" {told.tied_pairs} of {wording.count(told.pairs, 'pair')} of networks "
            f"{'is tied, and tells' if told.tied_pairs == 1 else 'are tied, and tell'} nothing."
        )
    return "".join(doubts)
