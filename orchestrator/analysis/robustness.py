"""Robustness: how much accuracy a network keeps on corrupted images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.catalog.corruptions import CORRUPTIONS, SEVERITIES
from jobs.spec.setting import network_of
from jobs.store.runs import Run
from orchestrator.analysis.spreads import spread
from orchestrator.analysis.standings import Comparison

if TYPE_CHECKING:
    import pyarrow as pa

REFERENCE = "alexnet"
Accuracies = Mapping[tuple[str, int], float]


@dataclass(frozen=True, slots=True)
class NetworkRobustness:
    """One network after the last period, shares 0..1, means over `seeds` seeds.

    `accuracies` are by (corruption, severity), `clean` is uncorrupted. `errors` are corruption
    errors: summed error divided by that of the reference, for each corruption that both were tested
    on at every severity. `mean_error` is their mean. None where unknown.
    """

    backbone: str
    seeds: int
    clean: float | None
    accuracies: Accuracies
    errors: Mapping[str, float]
    mean_error: float | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """Robustness of all networks, the reference, and images per test."""

    reference: str
    corruptions: tuple[str, ...]
    images: int
    networks: tuple[NetworkRobustness, ...]


def measure(
    run: Run, comparison: Comparison, whose: Mapping[str, tuple[str, int]], table: pa.Table
) -> Robustness | None:
    """Robustness from rows of `evaluations` at the last epoch; None without corruptions.

    The corruption error is that of Hendrycks and Dietterich 2019 (ICLR, arXiv:1903.12261), relative
    to AlexNet if it is compared, else to the first tested network.
    """
    rows = [
        row
        for row in table.to_pylist()
        if row["corruption"] in run.spec.corruptions
        and row["severity"] in SEVERITIES
        and row["trial"] in whose
        and row["epoch"] == comparison.tested_at(row["trial"], run.spec.epochs)
        and row["total"]
    ]
    if not rows:
        return None
    images = max(row["total"] for row in rows)
    by_backbone: dict[str, dict[tuple[str, int], dict[str, float]]] = {}
    for row in rows:
        by_key = by_backbone.setdefault(whose[row["trial"]][0], {})
        by_trial = by_key.setdefault((row["corruption"], row["severity"]), {})
        by_trial.setdefault(row["trial"], row["correct"] / row["total"])
    means = {
        backbone: {key: sum(seeds.values()) / len(seeds) for key, seeds in by_key.items()}
        for backbone, by_key in by_backbone.items()
    }
    order = [name for name in comparison.backbones if name in means]
    reference = next((name for name in order if network_of(name) == REFERENCE), order[0])
    seeds = {name: max(len(by_trial) for by_trial in by_backbone[name].values()) for name in order}
    networks = tuple(
        _robust(comparison, name, seeds[name], means[name], means[reference]) for name in order
    )
    tested = {corruption for by_key in means.values() for corruption, _ in by_key}
    there = tuple(name for name in CORRUPTIONS if name in tested)
    return Robustness(reference, there, images, networks)


def _robust(
    comparison: Comparison, backbone: str, seeds: int, mine: Accuracies, reference: Accuracies
) -> NetworkRobustness:
    errors = {
        name: error
        for name in CORRUPTIONS
        if (error := corruption_error(_of(mine, name), _of(reference, name))) is not None
    }
    last = next((s for s in comparison.at(comparison.periods) if s.backbone == backbone), None)
    mean = spread(errors.values())
    return NetworkRobustness(
        backbone,
        seeds,
        last.accuracy.mean if last and last.accuracy else None,
        mine,
        errors,
        mean.mean if mean else None,
    )


def corruption_error(
    accuracies: Sequence[float | None], reference: Sequence[float | None]
) -> float | None:
    """Sum of errors over severities over that of the reference; None if missing or zero."""
    mine = [1 - value for value in accuracies if value is not None]
    theirs = [1 - value for value in reference if value is not None]
    if len(mine) < len(SEVERITIES) or len(theirs) < len(SEVERITIES) or sum(theirs) <= 0:
        return None
    return sum(mine) / sum(theirs)


def _of(accuracies: Accuracies, corruption: str) -> list[float | None]:
    return [accuracies.get((corruption, severity)) for severity in SEVERITIES]
