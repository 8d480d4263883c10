"""The decision and the benchmarks as JSON values: the same in report.json, commands and the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.benchmarks import Benchmark
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.run_data import RunData
from orchestrator.report import decision_words


def keys(run_data: RunData, analysis: Analysis) -> dict[str, Any]:
    """What report.json holds under `decision` and `benchmarks`."""
    return {
        "decision": collect(run_data, analysis),
        "benchmarks": [benchmark_facts(one) for one in run_data.benchmarks],
    }


def collect(run_data: RunData, analysis: Analysis) -> dict[str, Any] | None:
    """The decision; None where nothing is tested."""
    one = analysis.decision
    if one is None:
        return None
    limited = bool(one.constraints)
    return {
        "constraints": asdict(one.constraints) if limited else None,
        "margin": one.margin,
        "choice": one.taken.backbone if one.taken else None,
        "choice_runtime": one.taken.runtime if one.taken else None,
        "sentence": decision_words.answer(run_data, analysis) or None,
        "sureness": decision_words.sureness(run_data, analysis),
        "best": one.best,
        "rival": one.rival,
        "test": _test(one.test),
        "against_all": _test(one.against_all),
        "noninferior": [{**asdict(each), "shown": each.shown} for each in one.noninferior],
        "closest": one.closest,
        "int8": [each.backbone for each in one.int8],
        "unknown": list(one.unknown),
        "bench_command": decision_words.bench_command(run_data),
        "machine": None if one.machine is None else asdict(one.machine),
        "candidates": [{**asdict(each), "fits": each.fits} for each in one.candidates],
    }


def benchmark_facts(one: Benchmark) -> dict[str, Any]:
    """A benchmark."""
    return asdict(one) | {"difference": one.difference, "disturbed": one.disturbed}


def _test(test: PairwiseTest | None) -> dict[str, Any] | None:
    return None if test is None else {**asdict(test), "told_apart": test.significant}
