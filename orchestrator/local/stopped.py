"""Notice, while a run is waited for, that `orch down` has stopped all who could go on with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from jobs.errors import OrchError
from jobs.settings import Settings, command_line
from orchestrator.local import stack_record
from orchestrator.local.stack_record import Stack

PATIENCE_S = 20.0
"""Seconds that `orch up` may follow `orch down`."""


class StackStopped(OrchError):
    """orch's own Redis and its workers were stopped while their work was waited for."""


@dataclass(slots=True)
class StoppedStack:
    """What a waiting command knows of the local processes of its store."""

    settings: Settings
    run: str
    clock: Callable[[], float] = time.monotonic
    since: float | None = None

    def look(self, alone: bool) -> None:
        """Raise `StackStopped` where nobody is left; `alone` says whether no worker is alive.

        Workers of other machines may come as long as a broker is named.
        """
        named = self.settings.broker_url is not None
        if named or not alone or stack_record.read(self.settings.store) != Stack(None, ()):
            self.since = None
            return
        self.since = self.clock() if self.since is None else self.since
        if self.clock() - self.since >= PATIENCE_S:
            again = command_line(self.settings.store, "resume", self.run)
            raise StackStopped(
                "this machine's workers and Redis were stopped (orch down) while the run "
                f"{self.run} was waited for. Its checkpoints are kept. Continue with: {again}"
            )
