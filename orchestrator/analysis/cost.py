"""Cost of accuracy: training time, speed, size, multiply-adds, memory, energy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from jobs.catalog import backbones
from jobs.catalog.backbones import PUBLISHED_SIZE
from jobs.spec.networks import Network
from jobs.spec.setting import network_of
from orchestrator.analysis.resource_usage import (
    FeatureCost,
    ResourceUsage,
    TrainingResults,
    feature_cost,
    resource_usage,
)
from orchestrator.analysis.spreads import Spread, spread
from orchestrator.analysis.standings import Comparison, EpochRow

JOULES_A_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a network up to a period (mean over seeds), with its accuracy after that period.

    `value` is the leading metric after it.

    `gmacs` is billions of multiply-adds for one image of 224 px, `run_gmacs` for one of the run's
    size; None outside the catalog.
    `peak_memory_bytes` is the maximum over seeds; for `memory_of` see `ResourceUsage`. `energy_kwh`
    is the mean over the measured seeds; `energy_share` is the measured share of their epochs, None
    where the energy of features is missing.

    Time and energy count the features once, as what they cost when they were computed.
    `feature_seconds` is that part of `seconds`, None where the network trained on images or it is
    not recorded; `features_shared` says whether some training used features of another one.
    """

    backbone: str
    accuracy: float | None
    seconds: Spread | None
    images_per_second: float | None
    parameters: int | None
    gmacs: float | None
    peak_memory_bytes: int | None = None
    memory_of: str | None = None
    energy_kwh: float | None = None
    energy_share: float | None = None
    run_gmacs: float | None = None
    value: float | None = None
    feature_seconds: float | None = None
    features_shared: bool = False


def network_costs(
    comparison: Comparison,
    period: int,
    classes: int,
    trainings: Mapping[str, TrainingResults] | None = None,
    image_sizes: Mapping[str, int] | None = None,
    described: Mapping[str, Network] | None = None,
) -> list[Cost]:
    """Cost of every backbone up to the end of `period`; time is that of its epochs and features.

    `trainings` are the results of each trial's trainings, with memory and energy. `image_sizes`
    are the sides of each network's images in pixels, and `described` the facts of networks outside
    the catalog.
    """
    costs = []
    for standing in comparison.at(period):
        name = standing.backbone
        rows = [row for row in comparison.epochs if row.backbone == name and row.period <= period]
        features = features_of({row.trial: None for row in rows}, trainings or {})
        speeds = spread(row.images_per_second for row in rows if row.images_per_second)
        network = network_of(name)
        known, other = backbones.CATALOG.get(network), (described or {}).get(network, Network())
        costs.append(
            Cost(
                name,
                standing.accuracy.mean if standing.accuracy else None,
                _seconds(rows, features),
                speeds.mean if speeds else None,
                known.parameters(classes) if known else other.parameters,
                known.gmacs(classes) if known else None,
                *_consumed(rows, standing.epoch, trainings or {}, features),
                known.gmacs_at(classes, (image_sizes or {}).get(network, PUBLISHED_SIZE))
                if known
                else other.gmacs,
                standing.lead.mean if standing.lead else None,
                fmean(one.seconds for one in features.values()) if features else None,
                any(one.shared for one in features.values()),
            )
        )
    return costs


def _seconds(rows: Sequence[EpochRow], features: Mapping[str, FeatureCost]) -> Spread | None:
    """The seconds of all epochs and features, over trials."""
    by_trial: dict[str, float] = {}
    for row in rows:
        before = features[row.trial].seconds if row.trial in features else 0.0
        by_trial[row.trial] = by_trial.get(row.trial, before) + (row.seconds or 0.0)
    return spread(by_trial.values())


def features_of(
    trials: Iterable[str], trainings: Mapping[str, TrainingResults]
) -> dict[str, FeatureCost]:
    """What the features of these trials cost, where they have any and it is recorded."""
    costs = {trial: feature_cost(trial, trainings.get(trial, {})) for trial in trials}
    return {trial: cost for trial, cost in costs.items() if cost is not None}


def _consumed(
    rows: Sequence[EpochRow],
    until: int,
    trainings: Mapping[str, TrainingResults],
    features: Mapping[str, FeatureCost],
) -> tuple[int | None, str | None, float | None, float | None]:
    """Memory and energy fields of `Cost`, from epochs and trainings up to the epoch `until`."""
    epochs = Counter(row.trial for row in rows)
    used: dict[str, ResourceUsage] = {
        trial: resource_usage(trainings.get(trial, {}), until) for trial in epochs
    }
    peaks = [
        (one.memory_of == "gpu", one.memory_bytes, one.memory_of)
        for one in used.values()
        if one.memory_bytes
    ]
    _, memory, whose = max(peaks, default=(False, None, None))
    counted = {trial: one.joules for trial, one in used.items() if one.joules is not None}
    if not counted:
        return memory, whose, None, None
    share = sum(used[trial].epochs for trial in counted) / sum(epochs[trial] for trial in counted)
    of_features = [features[trial].joules for trial in counted if trial in features]
    joules = math.fsum(counted.values()) + math.fsum(each or 0.0 for each in of_features)
    known = None if None in of_features else min(share, 1.0)
    return memory, whose, joules / len(counted) / JOULES_A_KWH, known


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of points (cost, gain) on the Pareto front, cheapest first.

    A point is dominated by one that is no worse in cost and gain, and better in at least one.
    """

    def beaten(place: int) -> bool:
        cost, gain = points[place]
        return any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)

    return sorted((i for i in range(len(points)) if not beaten(i)), key=lambda i: points[i])
