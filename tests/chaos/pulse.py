"""Signs of life of a study, and how long after each fault the next one came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.task import Task


@dataclass
class Blow:
    """A fault that was dealt. `task` is what it struck (None: no task in particular).

    It is recovered from when the struck task, or its trial, is reported on by another attempt than
    `attempt` (None: by any), or is done; where it struck none, when any task is reported on or
    done.
    """

    number: int
    kind: str
    detail: str = ""
    task: Task | None = None
    attempt: int | None = None
    at: float = field(default_factory=time.time)
    done_before: frozenset[str] = frozenset()
    recovery_s: float | None = None

    def answered(self, said: list[dict[str, Any]], done: frozenset[str]) -> bool:
        """Whether work has gone on since."""
        fresh = [values for values in said if values["at"] > self.at]
        if self.task is None:
            return bool(fresh or done - self.done_before)
        mine = [
            values
            for values in fresh
            if Task.parse(values["task"]).lease_key == self.task.lease_key
        ]
        newer = [v for v in mine if (v["task"], v["attempt"]) != (self.task.id, self.attempt)]
        return bool(newer) or self.task.id in done - self.done_before


@dataclass
class Pulse:
    """Looks ten times a second, and notes when a blow is answered."""

    said: Callable[[], list[dict[str, Any]]]
    done: Callable[[], frozenset[str]]
    blows: list[Blow] = field(default_factory=list)
    leave: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Look once more and stop."""
        self.leave.set()
        if self.thread is not None:
            self.thread.join(10)
        self.note()

    def _look(self) -> None:
        while not self.leave.wait(0.1):
            self.note()

    def note(self) -> None:
        """Note the recovery of every blow that is answered now."""
        waiting = [blow for blow in self.blows if blow.recovery_s is None]
        if not waiting:
            return
        said, done, now = self.said(), self.done(), time.time()
        for blow in waiting:
            if blow.answered(said, done):
                blow.recovery_s = now - blow.at
