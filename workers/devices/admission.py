"""Admission of tasks to a device: which run side by side, by measured memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

LOOK_S = 1.0
"""Seconds between checks whether a waiting task should still run on this worker."""
NEWCOMER_SHARE = 0.5
"""Share of the device that must be free for a task that was never measured."""
EARLY = 1.25
"""Factor on the peak of a child without a record: it has not validated yet."""
MAX_PASSED = 4
"""Maximum tasks that may start before a waiting one."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """The requirement of a task: measured bytes (None: unknown), and whether it runs alone."""

    bytes: int | None = None
    alone: bool = False


class Admission:
    """A device with `slots` slots and `total_bytes` of memory; every slot thread asks for itself.

    A task starts when its expected memory is free. An unmeasured one starts when half of the device
    is free and all others have been measured. Others follow once its child has reported its memory.
    A task larger than the device runs alone.
    """

    def __init__(self, slots: int = 1, total_bytes: int = 0) -> None:
        self.slots, self.total_bytes = slots, total_bytes
        self._changed = threading.Condition()
        self._inside: dict[str, Requirement] = {}
        self._told: dict[str, int] = {}
        self._passed: dict[str, int] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Running tasks, in order of start."""
        with self._changed:
            return tuple(self._inside)

    @property
    def admitted_or_waiting(self) -> tuple[str, ...]:
        """Running and waiting tasks: each has a slot."""
        with self._changed:
            return (*self._inside, *self._passed)

    def enter(
        self, task: str, need: Callable[[], Requirement], wanted: Callable[[], bool]
    ) -> Requirement | None:
        """Wait for admission; the requirement admitted with, or None if not `wanted` here any more.

        `need` is evaluated before each try: a similar task may have been measured since. A
        waiting task holds nothing: any worker may take it, and `wanted` then turns false. None also
        if the task is already here.
        """
        with self._changed:
            if task in self._inside or task in self._passed:
                return None
            self._passed[task] = 0
        try:
            while True:
                asked = self._as_it_must(need())
                if self._let_in(task, asked):
                    return asked
                if not wanted():
                    return None
        finally:
            with self._changed:
                self._passed.pop(task, None)
                self._changed.notify_all()

    def on_memory(self, task: str, taken_bytes: int) -> None:
        """Record the peak memory a child reported."""
        with self._changed:
            if task in self._inside:
                before = self._taken(task)
                self._told[task] = max(taken_bytes, self._told.get(task, 0))
                if self._taken(task) != before:
                    self._changed.notify_all()

    def leave(self, task: str) -> None:
        """The child of the task has ended."""
        with self._changed:
            self._inside.pop(task, None)
            self._told.pop(task, None)
            self._changed.notify_all()

    def _as_it_must(self, need: Requirement) -> Requirement:
        """A task is exclusive with one slot, or if it needs more than the device has."""
        return replace(
            need, alone=need.alone or self.slots == 1 or (need.bytes or 0) > self.total_bytes
        )

    def _let_in(self, task: str, need: Requirement) -> bool:
        """Admit the task if it fits now, else wait a moment for a change."""
        with self._changed:
            waiting = list(self._passed)
            before = waiting[: waiting.index(task)]
            if not self._fits(need) or any(self._passed[other] >= MAX_PASSED for other in before):
                self._changed.wait(LOOK_S)
                return False
            for other in before:
                self._passed[other] += 1
            del self._passed[task]
            self._inside[task] = need
            return True

    def _fits(self, need: Requirement) -> bool:
        if not self._inside:
            return True
        taken = [self._taken(task) for task in self._inside]
        if need.alone or any(other.alone for other in self._inside.values()) or None in taken:
            return False
        free = self.total_bytes - sum(each or 0 for each in taken)
        return free >= (NEWCOMER_SHARE * self.total_bytes if need.bytes is None else need.bytes)

    def _taken(self, task: str) -> int | None:
        """Bytes to count for a running task; None before anything is known."""
        expected, on_memory = self._inside[task].bytes, self._told.get(task)
        if expected is not None:
            return max(expected, on_memory or 0)
        return None if on_memory is None else int(EARLY * on_memory)
