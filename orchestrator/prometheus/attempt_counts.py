"""Ended attempts by state and failure class; what can no longer change is read once."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobs import atomic
from jobs.errors import BadSpec, OrchError
from jobs.store.ledger import Ledger
from jobs.store.records import AttemptRecord
from jobs.store.store import Store
from jobs.task import Task

NONE, OTHER = "none", "other"
MAX_CLASS = 40
"""A longer failure class is not one of orch's."""

Ended = Counter[tuple[str, str]]


@dataclass(slots=True)
class AttemptCounts:
    """The attempts of a store, counted anew only for tasks that are neither done nor failed."""

    store: Store
    _settled: dict[str, Ended] = field(default_factory=dict)

    def read(self, ledger: Ledger) -> Ended:
        """Ended attempts by state (done, failed, stopped, lost) and failure class."""
        counts, settled = Ended(), dict[str, Ended]()
        for name in atomic.list_names(self.store.all_attempts_folder):
            over = name in ledger.done or name in ledger.failed
            known = self._settled.get(name) if over else None
            if known is None:
                records = self._records(name)
                known = Ended(map(_class_of, (each for each in records if _is_over(each))))
                over = over and all(map(_is_over, records))
            if over:
                settled[name] = known
            counts.update(known)
        self._settled = settled
        return counts

    def _records(self, task: str) -> list[AttemptRecord]:
        from workers.execution import attempts

        with contextlib.suppress(BadSpec, OSError, OrchError):
            return attempts.records(self.store, Task.parse(task))
        return []


def failure_classes(failures: Iterable[str]) -> Counter[str]:
    """How often each failure class occurs, with one name for what is none of orch's."""
    return Counter(map(_known, failures))


def _is_over(record: AttemptRecord) -> bool:
    return record.state != "running"


def _class_of(record: AttemptRecord) -> tuple[str, str]:
    state = record.state if record.state in ("done", "failed", "stopped", "lost") else OTHER
    return state, _known(record.failure or NONE)


def _known(failure: str) -> str:
    """The failure class as a label; a damaged record must not make a new series each."""
    plain = failure.replace("-", "").isalpha() and failure.isascii()
    return failure if plain and len(failure) <= MAX_CLASS else OTHER
