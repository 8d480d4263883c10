"""Whether the broker answers, as one worker sees it; each outage is logged once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.errors import BrokerUnreachable

log = logging.getLogger("orch.worker")

PAUSES_S = (0.25, 0.5, 1.0, 1.5)
"""Waits between tries to reach a broker that is away: growing, and then the last one."""
LOOK_S = 2.0
QUIET_S = 60.0
"""The same kind of reason is not told again within so many seconds.

A broker may answer and refuse, in words that depend on what was asked of it.
"""


def pause_s(tries: int) -> float:
    """Seconds to wait after so many tries that failed (from 1)."""
    return PAUSES_S[min(tries, len(PAUSES_S)) - 1]


@dataclass(slots=True)
class Link:
    """The broker as the threads of one worker have found it.

    While it is away nothing is sent to it, and no thread waits for it. `ping` and `write` raise
    `BrokerUnreachable`; the latter is what decides that it is back.
    """

    ping: Callable[[], None] = lambda: None
    write: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _away_since: float | None = None
    _told: dict[str, float] = field(default_factory=dict)
    _silent: bool = False

    @property
    def up(self) -> bool:
        """Whether the broker answered when it was last asked."""
        return self._away_since is None

    def lost(self, error: BrokerUnreachable) -> None:
        """Note that the broker did not answer or refused; the first one to notice tells it.

        An error that another thread met before the broker was back is of the same kind.
        """
        with self._lock:
            if self._away_since is not None:
                return
            now, kind = self.clock(), error.kind or str(error)
            self._away_since = now
            self._silent = now - self._told.get(kind, float("-inf")) < QUIET_S
            self._told = {each: at for each, at in self._told.items() if now - at < QUIET_S} | {
                kind: now
            }
        if not self._silent:
            log.warning(
                "%s Work goes on; until it answers, ready tasks are taken from the store.", error
            )

    def back(self) -> None:
        """Note that the broker can be written to."""
        with self._lock:
            if self._away_since is None:
                return
            away_s, self._away_since = self.clock() - self._away_since, None
        if not self._silent:
            log.info("the broker can be used again, after %.0f s", away_s)

    def watch(self, leave: threading.Event) -> None:
        """Ask the broker every `LOOK_S`, more often while it is away, until `leave` is set."""
        tries = 0
        while not leave.wait(LOOK_S if (was_up := self.up) else pause_s(tries)):
            try:
                (self.ping if was_up else self.write)()
            except BrokerUnreachable as error:
                tries = 1 if was_up else tries + 1
                self.lost(error)
                continue
            tries = 1
            if not was_up:  # else another thread may have noticed an outage meanwhile
                self.back()
