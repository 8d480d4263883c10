"""A drained worker: it takes no further task until that is undone."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs import atomic
from jobs.errors import DamagedFile, OutOfReach
from jobs.store import codec
from jobs.store.drains import DrainRecord
from jobs.store.store import Store
from jobs.task import Task

log = logging.getLogger("orch.worker")


@dataclass(slots=True)
class Drain:
    """What the store says of draining one worker, by its name or its host's. Thread-safe.

    `periods` are the trials and target epochs whose evaluations are still finished here.
    """

    store: Store
    worker: str
    host: str
    record: DrainRecord | None = None
    periods: frozenset[tuple[str, int]] = frozenset()
    _tasks: tuple[str, ...] = ()
    _since: float = field(default_factory=time.time)
    _looked: float = float("-inf")

    @property
    def name(self) -> str | None:
        """The host or worker that was drained; None if this worker takes tasks."""
        return self.record.name if self.record else None

    @property
    def stops(self) -> bool:
        """Whether running tasks stop after their current step."""
        return self.record is not None and self.record.after == "step"

    def look(self, running: Sequence[str], older_than_s: float = 0.0) -> None:
        """Read whether this worker is drained; `running` are its tasks now.

        Not again if it was read within the last `older_than_s` seconds.
        """
        if time.monotonic() - self._looked < older_than_s:
            return
        self._looked = time.monotonic()
        drained = atomic.list_names(self.store.drains_folder)
        names = dict.fromkeys((self.worker, self.host))
        records = [self._read(name) for name in names if f"{name}.json" in drained]
        drains = sorted(filter(None, records), key=lambda each: each.after != "step")
        record = drains[0] if drains else None
        if record is None or record.after != "period":
            self.periods = frozenset()
        elif self.record is None or self.record.after != "period":
            tasks = [Task.parse(each) for each in running]
            self.periods = frozenset(
                (task.subject, task.epoch) for task in tasks if task.kind != "prepare"
            )
        self.record = record

    def declines(self, task: Task) -> bool:
        """Whether not to begin a task."""
        return self.record is not None and not self.finishes(task)

    def finishes(self, task: Task) -> bool:
        """Whether a task is an evaluation of a period that is finished here."""
        return task.kind == "evaluate" and (task.subject, task.epoch) in self.periods

    def since(self, tasks: Sequence[str]) -> float:
        """When the tasks of this worker last changed (Unix time)."""
        if tuple(tasks) != self._tasks:
            self._tasks, self._since = tuple(tasks), time.time()
        return self._since

    def _read(self, name: str) -> DrainRecord | None:
        """The drain of a host or worker; one that cannot be read lets running tasks end."""
        try:
            return codec.read(self.store.drain_path(name), DrainRecord)
        except (DamagedFile, OutOfReach):
            return DrainRecord(name=name, after="task", at=0)
