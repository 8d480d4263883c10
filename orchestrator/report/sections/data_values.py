"""Rows of the data table: the range of values beyond 8 bits, and images of little contrast."""

from __future__ import annotations

from jobs.data import value_range
from jobs.store.records import TaskResult
from orchestrator.report.rendering import wording

SHOWN = 20


def rows(prepared: TaskResult) -> list[tuple[str, str]]:
    """What the preparation found, as pairs of fact and value; empty if there is nothing to tell."""
    facts = []
    if used := prepared.value_range:
        facts.append(("Values beyond 8 bits", value_range.in_words(used)))
    if flat := prepared.low_contrast:
        named = ", ".join(wording.plain(path) for path in flat[:SHOWN])
        more = f" and {len(flat) - SHOWN} more" if len(flat) > SHOWN else ""
        images = wording.count(len(flat), "image")
        facts.append(("Low contrast", f"{images} under a tenth of the range: {named}{more}"))
    return facts
