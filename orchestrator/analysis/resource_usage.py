"""Resource usage of a trial from its training records: peak memory and energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jobs.store.records import TaskResult

TrainingResults = Mapping[int, TaskResult]
"""Results of the finished trainings of a trial, by target epoch."""

MAX_VALUE = 1e15
"""Values of at least this size are implausible and ignored."""


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resource usage of a trial. `memory_of` is `gpu` (held by torch) or `process` (resident).

    `joules` were counted over `epochs` of the trial (with a fraction). Epochs trained by an attempt
    that did not finish are in no record. None where nothing was measured.
    """

    memory_bytes: int | None
    memory_of: Literal["gpu", "process"] | None
    joules: float | None
    epochs: float


@dataclass(frozen=True, slots=True)
class FeatureCost:
    """What a trial's features cost when they were computed, once for all its epochs.

    `shared`: another training, or a ranking, computed them. `joules` is None where nobody counted.
    """

    seconds: float
    joules: float | None
    shared: bool


def feature_cost(trial: str, results: TrainingResults) -> FeatureCost | None:
    """The cost of a trial's features; None where it has none, or their time is not recorded."""
    for target in sorted(results):
        one = results[target]
        if (seconds := _amount(one.feature_seconds)) is not None:
            shared = one.features_by is not None and one.features_by != trial
            return FeatureCost(seconds, _amount(one.feature_joules), shared)
    return None


def resource_usage(results: TrainingResults, epoch: int) -> ResourceUsage:
    """Resource usage up to a target epoch. Prefers GPU memory and counts no epoch twice."""
    records = [results[target] for target in sorted(results) if target <= epoch]
    peaks: dict[bool, list[float]] = {True: [], False: []}
    for record in records:
        if (peak := _amount(record.peak_memory_bytes)) is not None:
            peaks[str(record.device).startswith("cuda")].append(peak)
    joules, epochs = _energy(records, epoch)
    held = peaks[True] or peaks[False]
    return ResourceUsage(
        int(max(held)) if held else None,
        ("gpu" if peaks[True] else "process") if held else None,
        joules,
        epochs,
    )


def _energy(records: list[TaskResult], epoch: int) -> tuple[float | None, float]:
    """Joules and their epochs, from the last range backwards; nested ranges are left out."""
    joules, epochs, begins = None, 0.0, float(epoch)
    for record in reversed(records):
        begun, end, used = (
            _amount(value) for value in (record.measured_from, record.epoch, record.energy_joules)
        )
        if begun is None or end is None or used is None or not begun <= end <= begins:
            continue
        joules, epochs, begins = (joules or 0.0) + used, epochs + end - begun, begun
    return joules, epochs


def _amount(value: float | None) -> float | None:
    """A plausible number of bytes, joules or epochs, else None."""
    return float(value) if value is not None and 0 <= value < MAX_VALUE else None
