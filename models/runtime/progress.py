"""Progress messages of a task: throttled, with an estimate of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Tell = Callable[[dict[str, Any]], None]
EVERY_S = 0.5
FIRST_ESTIMATE_S = 5.0
FIRST_ESTIMATE_SHARE = 0.1
"""No time left is told before so many seconds, or this share of the work: it would be a guess."""


class ProgressEstimator:
    """Throttle messages, and estimate the time left from the share of work done."""

    def __init__(
        self, tell: Tell, total_work: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tell = tell
        self.clock = clock
        self.total_work = total_work
        self.done_work = 0.0
        self.started = clock()
        self.last = float("-inf")

    def advance(self, work: float = 1.0) -> None:
        """Count work as done."""
        self.done_work += work

    @property
    def due(self) -> bool:
        """Whether the next message is due."""
        return self.clock() - self.last >= EVERY_S

    @property
    def _can_estimate(self) -> bool:
        return self.done_work > 0 and (
            self.done_work >= FIRST_ESTIMATE_SHARE * self.total_work
            or self.last - self.started >= FIRST_ESTIMATE_S
        )

    def say(self, phase: str, done: int, total: int, **facts: Any) -> None:
        """Report a phase, unless a message was just sent; the end of a phase is always sent."""
        if not self.due and done < total:
            return
        self.last = self.clock()
        if self._can_estimate:
            left = max(0.0, self.total_work - self.done_work)
            facts["eta_s"] = round((self.last - self.started) / self.done_work * left, 1)
        self.tell({"phase": phase, "done": done, "total": total, **facts})
