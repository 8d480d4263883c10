"""The report's numbers as plain tables: one row per fact, unrounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData

if TYPE_CHECKING:
    import pyarrow as pa


def records(evidence: RunData, findings: Analysis) -> dict[str, pa.Table]:
    """Tables by name; empty ones are left out."""
    import pyarrow as pa

    rows: dict[str, list[dict[str, Any]]] = {
        "results": [_result(s, r) for s in evidence.comparison.standings for r in s.results],
        "epochs": [asdict(row) for row in evidence.comparison.epochs],
        "duels": [
            _flat({**asdict(paired_test), "told_apart": paired_test.significant})
            for paired_test in findings.paired_tests
        ],
        "ranks": [
            {
                "backbone": name,
                "mean_rank": mean,
                "blocks": findings.ranks.blocks,
                "friedman_p": findings.ranks.p,
                "critical_difference": findings.ranks.critical,
            }
            for name, mean in findings.ranks.means
        ]
        if findings.ranks
        else [],
        "classes": [
            {"backbone": name, **asdict(one)}
            for name, found in findings.by_class.items()
            for one in found
        ],
        "confusion": list(_confusion(evidence, findings)),
        "calibration": [
            {
                "backbone": name,
                "ece": one.ece,
                "brier": one.brier,
                "confidence": one.confidence,
                "accuracy": one.accuracy,
                "answers": one.images,
            }
            for name, one in findings.calibration.items()
        ],
        "reliability": [
            {"backbone": name, **asdict(each)}
            for name, one in findings.calibration.items()
            for each in one.bins
        ],
        "agreement": [asdict(one) for one in findings.agreement],
        "corruptions": [
            {
                "backbone": one.backbone,
                "corruption": corruption,
                "severity": severity,
                "accuracy": accuracy,
                "corruption_error": one.errors.get(corruption),
                "mean_corruption_error": one.mean_error,
            }
            for one in (evidence.robustness.networks if evidence.robustness else ())
            for (corruption, severity), accuracy in one.accuracies.items()
        ],
        "cost": [_flat(asdict(one)) for one in findings.costs],
        "stopping": [asdict(one) for one in findings.stopping],
        "timeline": [asdict(one) for one in findings.timeline.stints],
    }
    found = {name: pa.Table.from_pylist(list(of)) for name, of in rows.items() if of}
    return found | ({"images": _images(findings)} if findings.asked.order else {})


def _result(standing: Any, result: Any) -> dict[str, Any]:
    test = result.tested
    return {
        "backbone": standing.backbone,
        "seed": result.seed,
        "period": standing.period,
        "epoch": standing.epoch,
        "trial": result.trial,
        "loss": test.loss if test else None,
        "correct": test.correct if test else None,
        "total": test.total if test else None,
        "accuracy": test.accuracy if test else None,
        "wilson_low": test.interval.low if test else None,
        "wilson_high": test.interval.high if test else None,
        "train_seconds": result.seconds,
    }


def _confusion(evidence: RunData, findings: Analysis) -> Iterable[dict[str, Any]]:
    """One row per non-empty cell of each confusion matrix."""
    classes = evidence.classes
    for (backbone, period), counts in findings.matrices.items():
        sums = counts.sum(axis=1)
        for i, j in zip(*(places.tolist() for places in np.nonzero(counts)), strict=True):
            yield {
                "backbone": backbone,
                "period": period,
                "label": classes[i],
                "answer": classes[j],
                "images": int(counts[i, j]),
                "share": float(counts[i, j] / sums[i]),
            }


def _images(findings: Analysis) -> pa.Table:
    """One row per image: each network's prediction and confidence (first seed)."""
    import pyarrow as pa

    asked, book = findings.asked, findings.asked.book
    places = np.sort(np.array(asked.order, np.int64))
    classes = pa.array(book.classes, pa.string())
    columns: dict[str, Any] = {
        "image": pa.array(book.images, pa.string()).take(pa.array(places)),
        "label": classes.take(pa.array(book.labels[places])),
        "networks_right": pa.array(asked.right[:, places].sum(axis=0)),
    }
    for name, answers in asked.networks.items():
        columns[name] = classes.take(pa.array(answers.predicted[places]))
        columns[f"{name}_confidence"] = pa.array(answers.confidence[places])
    return pa.table(columns)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten one level: `interval.low` becomes `interval_low`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= (
            {f"{key}_{k}": v for k, v in _flat(value).items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return found
