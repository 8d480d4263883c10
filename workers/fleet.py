"""What all workers say of themselves, and whom this one should relieve."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs import files, record, schedule
from jobs.errors import DamagedFile
from jobs.store import Store
from jobs.task import Task
from workers.handover import Handover

FRESH_S = 8.0
"""A worker that has not signed for so long, by the reader's clock, is not counted on."""
MOST_WAITING = 50
"""With more trainings waiting than this nobody is relieved: every worker is busy for long."""


@dataclass(slots=True)
class Fleet:
    """The signs of all workers, read in turn by one of them."""

    store: Store
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[Any, float]] = field(default_factory=dict)
    _images: dict[str, float] = field(default_factory=dict)

    def mates(self) -> list[schedule.Mate]:
        """The workers that have signed lately and say what they do."""
        found = [self._mate(name) for name in files.names(self.store.root / "workers")]
        return [mate for mate in found if mate is not None]

    def wanted(self, ours: Handover, waiting: Sequence[Task]) -> Task | None:
        """The training that this worker should take over now, if any; `waiting` are those that nobody holds."""
        if len(waiting) > MOST_WAITING:
            return None
        mates = self.mates()
        if not any(mate.training for mate in mates if mate.name != ours.name):
            return None
        left = [training for task in waiting if (training := self._whole(ours, task)) is not None]
        found = (each for each in schedule.take_overs(mates, left) if each.taker == ours.name)
        return next((Task.parse(each.task) for each in found), None)

    def _whole(self, ours: Handover, task: Task) -> schedule.Training | None:
        """A waiting training, counted from the mark before it to its trial's last."""
        data = self.store.load_trial(task.subject).data
        if data not in self._images:
            classes = (self.store.done(Task("prepare", data)) or {}).get("classes", {})
            self._images[data] = float(sum(counts["train"] for counts in classes.values()))
        marks = self.store.marks(task.subject)
        epochs = max(marks, default=0) - max((mark for mark in marks if mark < task.epoch), default=0)
        if epochs * self._images[data] <= 0:
            return None
        return schedule.Training(task.id, ours.kind_of(task), epochs * self._images[data])

    def _mate(self, file: str) -> schedule.Mate | None:
        with contextlib.suppress(OSError, DamagedFile, KeyError, TypeError, ValueError, AttributeError):
            sign = record.read(self.store.root / "workers" / file, {"name": str, "rates": dict, "at": record.NUMBER})
            if sign is None or not self._fresh(file, sign["at"]):
                return None
            training = sign["training"]
            return schedule.Mate(
                sign["name"], {str(kind): float(rate) for kind, rate in sign["rates"].items() if float(rate) > 0},
                bool(sign["busy"]),
                training and schedule.Training(Task.parse(training["task"]).id, str(training["kind"]),
                                               float(training["left"])),
                bool(sign["settled"]) and sign.get("slots", 1) == 1,
            )
        return None

    def _fresh(self, file: str, at: float) -> bool:
        seen = self._seen.get(file)
        if seen is None or seen[0] != at:
            # Seen for the first time, it may be the last sign of a worker that died.
            self._seen[file] = (at, float("-inf") if seen is None else self.clock())
            return seen is not None
        return self.clock() - seen[1] < FRESH_S
