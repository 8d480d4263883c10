"""The range of values of a data set: given, or found in all its images beyond 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.data import value_range
from jobs.data.data_source import DataSource
from jobs.data.pixel_format import PixelFormat
from jobs.data.value_range import FULL_RANGE, GUESSED, UNKNOWN, ValueRange
from jobs.spec import range_text
from jobs.spec.model import DataSettings
from jobs.store.datasets import DataSetDescription
from jobs.store.records import TaskResult
from models.data.decode_pool import spans_of_all

Said = Callable[[str, int], None]
"""Reports a phase and how many files it has done; raises `Stopped` when requested."""


@dataclass(frozen=True, slots=True)
class DataSetRange:
    """The range of a data set; for the ends found in its images, in how many they were found."""

    chosen: ValueRange
    files: int = 0

    def facts(self, setting: str) -> dict[str, Any]:
        """The entry in the result of the preparation; empty if no range was needed."""
        if self.chosen.kind in ("unknown", "0.1.0"):
            return {}
        ends = {"low": self.chosen.low, "high": self.chosen.high}
        counted = {"files": self.files} if setting == range_text.AUTO else {}
        return {
            "value_range": {"setting": setting, **(ends if self.chosen != FULL_RANGE else {})}
            | counted
        }


def find(source: DataSource, settings: DataSettings, processes: int, said: Said) -> DataSetRange:
    """The range of values of a data set. Raises `BadFolder` if its images have no common one."""
    if source.preparation == 1:
        return DataSetRange(GUESSED)
    given = value_range.chosen(settings.value_range)
    if given is not None:
        return DataSetRange(given)
    formats: dict[str, PixelFormat] = {}
    lows: list[float] = []
    highs: list[float] = []
    spans = spans_of_all(Path(source.origin), source.entries, processes)
    for number, (entry, span) in enumerate(spans, 1):
        if span is not None:
            formats[entry.path] = span[0]
            lows.append(span[1])
            highs.append(span[2])
        said("measure", number)
    value_range.check(source.origin, formats, settings.value_range)
    if not formats:
        return DataSetRange(UNKNOWN)
    low, high = min(lows), max(highs)
    # A single value everywhere becomes black.
    return DataSetRange(
        ValueRange("given", low, max(high, low + 1) if low == high else high), len(formats)
    )


def of_prepared(
    described: DataSetDescription, facts: TaskResult | None, member: bool
) -> ValueRange:
    """The range in which a further image is shown to networks trained on a prepared data set.

    A `member` is one of the data set's own files.
    """
    if described.preparation == 1:
        return GUESSED if member else UNKNOWN
    given = value_range.chosen(described.settings.value_range)
    recorded = facts.value_range if facts else None
    if given is not None or not recorded:
        return given or UNKNOWN
    return ValueRange("given", recorded["low"], recorded["high"])
