"""What training a trial used, by the records of its trainings: peak memory and energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TrainingResults = Mapping[int, Mapping[str, Any]]
"""The outcomes of a trial's finished trainings, by the epoch each was to reach."""

MAX_VALUE = 1e15
"""Bytes or joules from which on a record is not believed."""


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """`memory_of` says whose peak it is: `gpu`, what torch held there; `process`, all of it on a processor.

    `joules` were counted over `epochs` of the trial (with a fraction); a part that was trained by an attempt which
    did not finish is in no record. None where nothing was measured.
    """

    memory_bytes: int | None
    memory_of: Literal["gpu", "process"] | None
    joules: float | None
    epochs: float


def resource_usage(outcomes: TrainingResults, epoch: int) -> ResourceUsage:
    """What a trial used up to a mark; a GPU's memory is told before a processor's. No epoch counts twice."""
    records = [outcomes[mark] for mark in sorted(outcomes) if mark <= epoch]
    peaks: dict[bool, list[float]] = {True: [], False: []}
    for record in records:
        if (peak := _amount(record, "peak_memory_bytes")) is not None:
            peaks[str(record.get("device")).startswith("cuda")].append(peak)
    joules, epochs = _energy(records, epoch)
    held = peaks[True] or peaks[False]
    return ResourceUsage(
        int(max(held)) if held else None,
        ("gpu" if peaks[True] else "process") if held else None,
        joules,
        epochs,
    )


def _energy(records: list[Mapping[str, Any]], epoch: int) -> tuple[float | None, float]:
    """Joules, and the epochs they stand for, from the last stretch back: one that lies within another is left out."""
    joules, epochs, begins = None, 0.0, float(epoch)
    for record in reversed(records):
        begun, end, used = (
            _amount(record, key) for key in ("measured_from", "epoch", "energy_joules")
        )
        if begun is None or end is None or used is None or not begun <= end <= begins:
            continue
        joules, epochs, begins = (joules or 0.0) + used, epochs + end - begun, begun
    return joules, epochs


def _amount(record: Mapping[str, Any], key: str) -> float | None:
    """A number that can be one of bytes, joules or epochs, else None."""
    value = record.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < MAX_VALUE:
        return None
    return float(value)
