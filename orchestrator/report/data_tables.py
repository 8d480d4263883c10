"""The report's numbers as plain tables: one row per fact, unrounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import to_builtins

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.calibration import Calibration
from orchestrator.analysis.metrics import METRICS
from orchestrator.analysis.other_data import OtherData
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.per_class import ClassMetrics
from orchestrator.analysis.ranks import Ranks
from orchestrator.analysis.robustness import Robustness
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import EpochRow
from orchestrator.report.settings_apart import in_row, settings_of

if TYPE_CHECKING:
    import pyarrow as pa


def records(run_data: RunData, analysis: Analysis) -> dict[str, pa.Table]:
    """Tables by name; empty ones are left out."""
    import pyarrow as pa

    rows: dict[str, list[dict[str, Any]]] = {
        "results": [_result(s, r) for s in run_data.comparison.standings for r in s.results],
        "settings": [asdict(one) for one in analysis.settings],
        "epochs": _epochs(run_data.comparison.epochs),
        "duels": [_paired_test(paired_test) for paired_test in analysis.paired_tests],
        "noninferior": [asdict(one) | {"shown": one.shown} for one in analysis.noninferior],
        "ranks": _ranks(analysis.ranks) if analysis.ranks else [],
        "classes": _classes(analysis),
        "confusion": list(_confusion(run_data, analysis)),
        "calibration": [_calibration(name, one) for name, one in analysis.calibration.items()],
        "reliability": [
            {"backbone": name, **asdict(each)}
            for name, one in analysis.calibration.items()
            for each in one.bins
        ],
        "selective": list(_selective(analysis)),
        "agreement": [asdict(one) for one in analysis.agreement],
        "corruptions": _corruptions(run_data.robustness) if run_data.robustness else [],
        "cost": [_flat(asdict(one)) for one in analysis.costs],
        "stopping": [asdict(one) for one in analysis.stopping],
        "timeline": [asdict(one) for one in analysis.timeline.spans],
        "other_data": list(_other_data(run_data.other_data)),
        "suspects": to_builtins(run_data.leaks.pairs) if run_data.leaks else [],
    }
    settings = settings_of(run_data)
    filled = {
        name: pa.Table.from_pylist([in_row(row, settings) for row in of])
        for name, of in rows.items()
        if of
    }
    return filled | ({"images": _images(analysis)} if analysis.examples.order else {})


def _epochs(rows: Sequence[EpochRow]) -> list[dict[str, Any]]:
    """All rows with the same columns, also where some trials recorded more."""
    columns = dict.fromkeys(name for row in rows for name in row.columns())
    return [{name: row.value(name) for name in columns} for row in rows]


def _other_data(others: Sequence[OtherData]) -> Iterator[dict[str, Any]]:
    """A row for each network and other data, means over its seeds."""
    for other in others:
        for one in other.networks:
            yield {
                "data": other.record.name,
                "origin": other.record.origin,
                "images": other.tested,
                "in_training": other.in_training,
                "backbone": one.backbone,
                "accuracy": one.accuracy,
                "low": one.interval.low,
                "high": one.interval.high,
                "own_accuracy": one.own_accuracy,
                "drop": one.drop,
                "rank": one.rank,
                "own_rank": one.own_rank,
                "trials": len(one.trials),
            }


def _selective(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for name, one in analysis.selective.items():
        chosen = {"backbone": name, "chosen_on": one.chosen_on, "choosing": one.choosing}
        yield from (chosen | asdict(threshold) for threshold in one.thresholds)


def _classes(analysis: Analysis) -> list[dict[str, Any]]:
    """One row for each network and class."""
    return [
        {"backbone": name, **_of_class(one)}
        for name, classes in analysis.by_class.items()
        for one in classes
    ]


def _of_class(one: ClassMetrics) -> dict[str, Any]:
    """One class; each interval has both columns even where it is unknown."""
    none = {"low": None, "high": None}
    values = asdict(one)
    return _flat(
        {key: none if key.endswith("_interval") and v is None else v for key, v in values.items()}
    )


def _paired_test(test: PairwiseTest) -> dict[str, Any]:
    """One pairwise test; the interval over seeds has both columns even where it is unknown."""
    seeds = test.seed_interval
    values = {**asdict(test), "told_apart": test.significant}
    values["seed_interval"] = {
        "low": seeds.low if seeds else None,
        "high": seeds.high if seeds else None,
    }
    return _flat(values)


def _ranks(ranks: Ranks) -> list[dict[str, Any]]:
    return [
        {
            "backbone": name,
            "mean_rank": mean,
            "blocks": ranks.blocks,
            "friedman_p": ranks.p,
            "critical_difference": ranks.critical,
        }
        for name, mean in ranks.means
    ]


def _calibration(backbone: str, calibration: Calibration) -> dict[str, Any]:
    return {
        "backbone": backbone,
        "ece": calibration.ece,
        "brier": calibration.brier,
        "confidence": calibration.confidence,
        "accuracy": calibration.accuracy,
        "answers": calibration.images,
    }


def _corruptions(robustness: Robustness) -> list[dict[str, Any]]:
    return [
        {
            "backbone": one.backbone,
            "corruption": corruption,
            "severity": severity,
            "accuracy": accuracy,
            "corruption_error": one.errors.get(corruption),
            "mean_corruption_error": one.mean_error,
        }
        for one in robustness.networks
        for (corruption, severity), accuracy in one.accuracies.items()
    ]


def _result(standing: Any, result: Any) -> dict[str, Any]:
    test = result.tested
    return {
        "backbone": standing.backbone,
        "seed": result.seed,
        **({} if result.split is None else {"split_seed": result.split}),
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
        "feature_seconds": result.feature_seconds,
        **{name: result.metrics.get(name) for name in METRICS if name not in ("accuracy", "loss")},
    }


def _confusion(run_data: RunData, analysis: Analysis) -> Iterable[dict[str, Any]]:
    """One row per non-empty cell of each confusion matrix."""
    classes = run_data.classes
    for (backbone, period), counts in analysis.matrices.items():
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


def _images(analysis: Analysis) -> pa.Table:
    """One row per image: each network's prediction and confidence (first seed)."""
    import pyarrow as pa

    examples = analysis.examples
    predictions = examples.predictions
    places = np.sort(np.array(examples.order, np.int64))
    classes = pa.array(predictions.classes, pa.string())
    columns: dict[str, Any] = {
        "image": pa.array(predictions.images, pa.string()).take(pa.array(places)),
        "label": classes.take(pa.array(predictions.labels[places])),
        "networks_right": pa.array(examples.right[:, places].sum(axis=0)),
    }
    for name, answers in examples.networks.items():
        columns[name] = classes.take(pa.array(answers.predicted[places]))
        columns[f"{name}_confidence"] = pa.array(answers.confidence[places])
    return pa.table(columns)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten one level: `interval.low` becomes `interval_low`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= (
            {f"{key}_{k}": v for k, v in _flat(value).items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return flat
