"""Progress of a study, and the time from each fault to the next progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.task import Task


@dataclass
class Blow:
    """An injected fault. `task` is what it hit (None: no task in particular). Recovery is progress
    of the task or its trial by another attempt than `attempt` (None: by any), or its end. Without a
    task, it is progress of any task.
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
        """Whether work has continued since."""
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
    """Checks for progress ten times a second, and records when a fault is recovered from."""

    said: Callable[[], list[dict[str, Any]]]
    done: Callable[[], frozenset[str]]
    blows: list[Blow] = field(default_factory=list)
    leave: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        """Start checking."""
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Check once more and stop."""
        self.leave.set()
        if self.thread is not None:
            self.thread.join(10)
        self.note()

    def _look(self) -> None:
        while not self.leave.wait(0.1):
            self.note()

    def note(self) -> None:
        """Record the recovery of every fault that is recovered from now."""
        waiting = [blow for blow in self.blows if blow.recovery_s is None]
        if not waiting:
            return
        said, done, now = self.said(), self.done(), time.time()
        for blow in waiting:
            if blow.answered(said, done):
                blow.recovery_s = now - blow.at
