"""Results on corrupted images, on other data and without suspects, as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from msgspec import to_builtins

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.other_data import OtherData
from orchestrator.analysis.robustness import Robustness
from orchestrator.analysis.run_data import RunData
from orchestrator.report import json_leaks


def facts(run_data: RunData, analysis: Analysis) -> dict[str, Any]:
    """Results on other images than the test images as they are."""
    return {
        "corruptions": _robustness(run_data.robustness),
        "other_data": [_other_data(other) for other in run_data.other_data],
        "leaks": json_leaks.facts(run_data, analysis),
    }


def _robustness(robustness: Robustness | None) -> dict[str, Any] | None:
    """Robustness as JSON values; None without evaluations on corrupted images."""
    return (
        None
        if robustness is None
        else {
            "reference": robustness.reference,
            "images": robustness.images,
            "networks": [
                {
                    "backbone": one.backbone,
                    "seeds": one.seeds,
                    "clean": one.clean,
                    "mean_corruption_error": one.mean_error,
                    "corruption_errors": dict(one.errors),
                    "accuracies": [
                        {"corruption": corruption, "severity": severity, "accuracy": value}
                        for (corruption, severity), value in sorted(one.accuracies.items())
                    ],
                }
                for one in robustness.networks
            ],
        }
    )


def _other_data(other: OtherData) -> dict[str, Any]:
    networks = [asdict(one) for one in other.networks]
    record = to_builtins(other.record)
    kept = {key: record[key] for key in ("name", "origin", "data_sets", "missing", "left_out")}
    return {**kept, "images": other.tested, "in_training": other.in_training, "networks": networks}
