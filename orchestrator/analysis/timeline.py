"""Timeline of a run: attempts, queue times, and faults."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs.task import Task

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """One attempt; times are seconds since the first attempt began (`waited` since queued)."""

    task: str
    kind: str
    backbone: str | None
    seed: int | None
    attempt: int
    state: str
    failure: str | None
    worker: str
    host: str
    device: str
    start: float
    end: float
    waited: float | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """All attempts by start, the total span in seconds, and faults.

    A fault is an attempt that did not succeed; the run recovered if its task was done later.
    """

    spans: tuple[AttemptSpan, ...]
    began: datetime | None
    span: float
    busy: float
    waited: float | None
    faults: int
    survived: int

    @property
    def workers(self) -> tuple[str, ...]:
        """Workers in order of their first attempt."""
        return tuple(dict.fromkeys(span.worker for span in self.spans))


def _span(
    row: Mapping[str, Any], began: datetime, whose: Mapping[str, tuple[str, int]]
) -> AttemptSpan:
    backbone, seed = whose.get(Task.parse(row["task"]).subject, (None, None))
    queued_at, started_at = row["queued_at"], row["started_at"]
    return AttemptSpan(
        row["task"],
        row["kind"],
        backbone,
        seed,
        row["attempt"],
        row["state"],
        row["failure"],
        str(row["worker"] or "unknown"),
        str(row["host"] or "unknown"),
        str(row["device"] or "unknown"),
        (started_at - began).total_seconds(),
        (row["finished_at"] - began).total_seconds(),
        (started_at - queued_at).total_seconds() if queued_at else None,
    )


def build_timeline(
    attempts: pa.Table, whose: Mapping[str, tuple[str, int]], states: Mapping[str, str]
) -> Timeline:
    """Timeline of a run; attempts without both times are left out.

    `waited` is the mean time in the queue, in seconds, over attempts where it is known.
    """
    rows = [row for row in attempts.to_pylist() if row["started_at"] and row["finished_at"]]
    if not rows:
        return Timeline((), None, 0.0, 0.0, None, 0, 0)
    began = min(row["started_at"] for row in rows)
    rows.sort(key=lambda row: (row["started_at"], row["task"], row["attempt"]))
    spans = [_span(row, began, whose) for row in rows]
    waits = [max(0.0, span.waited) for span in spans if span.waited is not None]
    faults = [span for span in spans if span.state != "done"]
    return Timeline(
        tuple(spans),
        began,
        max(span.end for span in spans),
        math.fsum(span.end - span.start for span in spans),
        math.fsum(waits) / len(waits) if waits else None,
        len(faults),
        sum(states.get(s.task) == "done" for s in faults),
    )


@dataclass(frozen=True, slots=True)
class AttemptCount:
    """How many attempts at one kind of task ended in one way."""

    kind: str
    state: str
    failure: str
    attempts: int


def count_attempts(attempts: pa.Table) -> tuple[AttemptCount, ...]:
    """Attempts by kind of task, final state and class of failure."""
    columns = (attempts[name].to_pylist() for name in ("kind", "state", "failure"))
    counts = Counter(
        (kind, state, failure or "") for kind, state, failure in zip(*columns, strict=True)
    )
    return tuple(
        AttemptCount(str(kind), str(state), str(failure), number)
        for (kind, state, failure), number in sorted(counts.items())
    )


def covered(spans: Iterable[AttemptSpan]) -> float:
    """Seconds covered by at least one of these; the slots of a worker run in parallel."""
    total, until = 0.0, 0.0
    for span in sorted(spans, key=lambda each: each.start):
        total += max(0.0, span.end - max(span.start, until))
        until = max(until, span.end)
    return total
