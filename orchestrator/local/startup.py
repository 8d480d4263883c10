"""Wait until local workers that were just started can take tasks, and say why one could not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.errors import OrchError
from orchestrator.local import daemon
from orchestrator.local.stack_record import LocalWorker
from orchestrator.monitoring import heartbeats

LOOK_S = 0.1
PATIENCE_S = 180.0
"""Loading torch from a slow disk takes a minute."""


class WorkersDied(OrchError):
    """Local workers that ended before they could take a task."""


@dataclass(slots=True)
class Startup:
    """Workers just started, until each is `ready` to take tasks or has `died`."""

    store: Path
    loading: list[LocalWorker]
    ready: list[LocalWorker] = field(default_factory=list)
    died: list[LocalWorker] = field(default_factory=list)

    def look(self) -> list[LocalWorker]:
        """Look again; returns the workers found dead since the last look."""
        if not self.loading:
            return []
        loaded = {
            (sign.name, sign.pid)
            for sign in heartbeats.read_heartbeats(self.store, time.time())
            if not sign.loading
        }
        ready = [each for each in self.loading if (each.name, each.process.pid) in loaded]
        dead = [each for each in self.loading if each not in ready and not each.process.alive()]
        self.ready += ready
        self.died += dead
        self.loading = [each for each in self.loading if each not in ready and each not in dead]
        return dead

    def wait(
        self, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Return when no worker is loading any more, or after `patience_s`.

        Raises `WorkersDied`.
        """
        deadline = time.monotonic() + patience_s
        self.look()
        while self.loading and time.monotonic() < deadline:
            sleep(LOOK_S)
            self.look()
        if self.died:
            raise WorkersDied(deaths(self.died))


def deaths(workers: Sequence[LocalWorker]) -> str:
    """Which local workers ended as they began, with the last line of a log."""
    last = next(
        (said for each in workers if (said := daemon.last_line(Path(each.log), each.log_start))),
        "it said nothing",
    )
    who = ", ".join(worker.name for worker in workers)
    count = "local worker" if len(workers) == 1 else f"{len(workers)} local workers"
    return (
        f"{count} ended before taking a task ({who}): {last.removeprefix('error: ')} "
        f"Log: {workers[0].log}"
    )
