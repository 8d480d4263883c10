"""Notice a store that does not answer, such as one on NFS whose server is down.

A call into such a mount may hang for hours, and nothing in the process can end it. So a thread asks
the store for a small file every few seconds, and another one waits for the answer.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobs.errors import OrchError
from jobs.store.paths import StorePaths

LIMIT_S = 10.0
EVERY_S = 5.0
TICK_S = 0.5
AWAY = {errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN, errno.EREMOTEIO}
"""What the operating system says where a mount gives up waiting for its server."""


class StoreStalled(OrchError):
    """The store does not answer; it may be on a network disk whose server is down."""

    failure = "store-stalled"
    temporary = True


def stalled(root: Path) -> StoreStalled:
    """The error for a store that does not answer."""
    return StoreStalled(
        f"the store at {root} does not answer (NFS server down?). Look whether its disk is mounted "
        "and its server is up; runs go on when it answers again."
    )


def raise_if_away(root: Path, error: Exception) -> None:
    """Raise `StoreStalled` if the operating system says that the store's server is away."""
    if isinstance(error, OSError) and error.errno in AWAY:
        raise stalled(root) from None


@dataclass(slots=True)
class StallWatch:
    """Asks the store again and again; says when it is silent for `limit_s`, and when it is back.

    `on_stall` and `on_answer` get the seconds of silence. A process that was stopped, or computed
    without a pause, counts no time meanwhile: only waits that this thread has made count.
    """

    root: Path
    on_stall: Callable[[float], None]
    on_answer: Callable[[float], None] = lambda seconds: None
    limit_s: float = LIMIT_S
    every_s: float = EVERY_S
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> StallWatch:
        """Begin to ask."""
        threading.Thread(target=self._forever, daemon=True, name="orch-stall-watch").start()
        return self

    def end(self) -> None:
        """Ask no more; a question that hangs is left alone."""
        self._ended.set()

    def _forever(self) -> None:
        while not self._ended.is_set():
            question = threading.Thread(target=self._ask, daemon=True, name="orch-stall-question")
            question.start()
            self._await(question)
            self._ended.wait(self.every_s)

    def _await(self, question: threading.Thread) -> None:
        waited_s, told, tick_s = 0.0, False, min(TICK_S, self.limit_s / 4)
        while question.is_alive() and not self._ended.is_set():
            question.join(tick_s)
            waited_s += tick_s if question.is_alive() else 0.0
            if waited_s >= self.limit_s and not told and not self._ended.is_set():
                told = True
                self.on_stall(waited_s)
        if told and not self._ended.is_set():
            self.on_answer(waited_s)

    def _ask(self) -> None:
        """Read a file of the store, for which NFS asks its server; an error is an answer."""
        with contextlib.suppress(OSError):
            StorePaths(self.root).marker_path.read_bytes()
