"""Section: every network with its price, and which limits it breaks."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.decision import Candidate, Decision
from orchestrator.analysis.metrics import Metric
from orchestrator.report import decision_words
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import feature_time
from orchestrator.report.sections.foremost import MAX_NETWORKS

LIMITS = {"latency": "too slow", "size": "too large"}


def section(report: ReportData) -> Content | None:
    """One table of all networks that learned something; None before any test."""
    decision, metric = report.analysis.decision, report.run_data.metric
    if decision is None or not decision.candidates:
        return None
    epoch = report.analysis.epoch
    first, others = decision.candidates[:MAX_NETWORKS], decision.candidates[MAX_NETWORKS:]
    table = _table(decision, first, metric, "decision", f"After epoch {epoch}, the best first")
    if not others:
        return Content(_lead(report, decision), (table,))
    more = _table(decision, others, metric, "decision-others", "The others")
    return Content(_lead(report, decision), (table, *elements.fold("The others", more)))


def _lead(report: ReportData, decision: Decision) -> str:
    told = ["Licences are stated by the source of the weights."]
    if of_features := feature_time.told(report.run_data, report.analysis.costs):
        told = [f"{told[0]} {of_features}"]
    where = decision.machine
    if where is None:
        return (
            f"{told[0]} No network is benchmarked. Latency and size are measured with: "
            f"{decision_words.bench_command(report.run_data)}"
        )
    threads = wording.count(where.threads, "thread")
    return (
        f"Latency is that of one image on {where.computes} (host {where.host}), {threads}, by "
        "torch or ONNX Runtime (ONNX), whichever is faster: 95 of 100 runs take no longer. "
        f"{told[0]}"
    )


def _table(
    decision: Decision, candidates: Sequence[Candidate], metric: Metric, name: str, title: str
) -> Table:
    limited = bool(decision.constraints)
    head = (
        "Network",
        metric.title,
        "95% interval",
        "Training time",
        "kWh",
        "Latency",
        "By",
        "Size",
        "Weights’ licence",
        *(("Fits",) if limited else ()),
    )
    builds = {one.backbone for one in decision.int8}
    rows = tuple(_row(each, metric, limited, each.backbone in builds) for each in candidates)
    taken = decision.taken.backbone if decision.taken else None
    best = tuple(at for at, each in enumerate(candidates) if each.backbone == taken)
    return Table(
        head,
        rows,
        (1, 2, 3, 4, 5, 7),
        best,
        name=name,
        title=title,
        style="long",
    )


def _row(one: Candidate, metric: Metric, limited: bool, in_int8: bool) -> tuple[str, ...]:
    whole = one.energy_share is not None and one.energy_share > 0.9999
    return (
        wording.title(one.backbone),
        Cell(wording.metric(metric, one.value), one.value),
        "–" if one.interval is None else wording.range_of(metric, one.interval),
        _cell(wording.duration(one.seconds), one.seconds),
        _cell(wording.energy(one.energy_kwh, whole), one.energy_kwh),
        _cell(decision_words.milliseconds(one.latency_ms), one.latency_ms),
        {"torch": "torch", "onnx": "ONNX"}.get(one.runtime or "", "–"),
        _cell(decision_words.megabytes(one.size_bytes), one.size_bytes),
        one.licence,
        *((_fits(one, in_int8),) if limited else ()),
    )


def _fits(one: Candidate, in_int8: bool) -> str:
    if one.fails and in_int8:
        return "with 8-bit numbers"
    if one.fails:
        return ", ".join(LIMITS[limit] for limit in one.fails)
    return "unknown" if one.unknown else "yes"


def _cell(text: str, key: float | None) -> Cell:
    return Cell(text, -1.0 if key is None else float(key))
