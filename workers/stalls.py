"""What a worker says of a store that does not answer."""

from __future__ import annotations

import logging
from pathlib import Path

from jobs.store.stall_watch import StallWatch

log = logging.getLogger("orch.worker")


def watch(store: Path) -> StallWatch:
    """Say in the log when the store falls silent, and when it is back."""
    return StallWatch(store, _tell_stall, _tell_answer).start()


def _tell_stall(silent_s: float) -> None:
    log.warning(
        "the store has not answered for %.0f s (NFS server down?): no heartbeat and no lease can "
        "be written, so others see this worker as silent. It goes on when the store is back",
        silent_s,
    )


def _tell_answer(silent_s: float) -> None:
    log.info("the store answers again, after %.0f s", silent_s)
