"""Read something that may block for ever, and wait for it for a limited time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from jobs.store import stall_watch

T = TypeVar("T")


@dataclass(slots=True)
class Reading(Generic[T]):
    """One reading in a thread of its own, which the process does not wait for when it ends."""

    make: Callable[[], T]
    over: threading.Event = field(default_factory=threading.Event)
    result: T | None = None
    error: Exception | None = None

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, daemon=True, name="orch-metrics-reader").start()

    def _run(self) -> None:
        try:
            self.result = self.make()
        except Exception as error:  # raised again where the result is asked for
            self.error = error
        finally:
            self.over.set()


@dataclass(slots=True)
class BoundedReader(Generic[T]):
    """One reading at a time, shared by all who ask meanwhile; none waits longer than `limit_s`.

    While a reading hangs, no second one is started.
    """

    make: Callable[[], T]
    limit_s: float
    store: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _current: Reading[T] | None = None

    def read(self) -> T:
        """The result of a reading; raises `StoreStalled`, and what the reading has raised."""
        with self._lock:
            if self._current is None or self._current.over.is_set():
                self._current = Reading(self.make)
                self._current.start()
            current = self._current
        if not current.over.wait(self.limit_s):
            raise stall_watch.stalled(self.store)
        if current.error is not None:
            raise current.error
        assert current.result is not None
        return current.result
