"""Leaks between splits as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from msgspec import to_builtins

from orchestrator.analysis.analysis import Analysis, Restated
from orchestrator.analysis.leaks import METHOD
from orchestrator.analysis.run_data import RunData


def facts(run_data: RunData, analysis: Analysis) -> dict[str, Any] | None:
    """The suspects and the result without them; None where the data set is not prepared."""
    leaks, restated = run_data.leaks, analysis.without_suspects
    if leaks is None:
        return None
    return {
        "tested": leaks.tested,
        "images": len(leaks.images),
        "unseen": leaks.unseen,
        "method": METHOD,
        "pairs": [to_builtins(pair) for pair in leaks.pairs],
        "without": _without(restated, run_data.period) if restated else None,
    }


def _without(restated: Restated, period: int) -> dict[str, Any]:
    run_data = restated.run_data
    lead = run_data.leader
    return {
        "tested": run_data.test_images,
        "margin": lead.margin if lead else None,
        "ranking": [one.backbone for one in lead.ranking] if lead else [],
        "alike": list(restated.verdict.alike) if restated.verdict else [],
        "leads": bool(restated.verdict and restated.verdict.leads),
        "standings": [
            {
                "backbone": one.backbone,
                "metrics": {name: asdict(spread) for name, spread in one.metrics.items()},
                "lead_interval": asdict(one.lead_interval) if one.lead_interval else None,
            }
            for one in run_data.comparison.at(period)
        ],
        "duels": [
            {**asdict(test), "told_apart": test.significant} for test in restated.paired_tests
        ],
    }
