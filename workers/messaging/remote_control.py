"""What remote control may do to a worker: Celery's commands, except those that would do harm.

`celery control` and the buttons of Flower send them. A refused command answers with the reason
and what to do instead. Celery's own version of it would report success and do nothing here, or
leave a worker that takes no task any more.
"""

from __future__ import annotations

import threading
from typing import Any

from celery.worker.control import Panel

SLOTS = "a worker has as many slots as it was started with: orch worker --slots N"
QUEUES = "a worker reads its store's queues alone; to take it out of service: orch drain WORKER"
LIMITS = "tasks have no rate and no time limits; to stop a run: orch cancel RUN"
REFUSED = {
    "pool_grow": SLOTS,
    "pool_shrink": SLOTS,
    "pool_restart": "a worker has no pool to restart: each task runs in a process of its own",
    "autoscale": SLOTS,
    "add_consumer": QUEUES,
    "cancel_consumer": QUEUES,
    "rate_limit": LIMITS,
    "time_limit": LIMITS,
}
"""Commands that are refused, each with the answer."""


def install(leave: threading.Event) -> None:
    """Register our versions of the commands; shutting down sets `leave`, as SIGTERM does."""

    def shutdown(state: Any, **_: Any) -> dict[str, str]:
        """Stop running tasks after their current step, with a checkpoint, and exit."""
        leave.set()
        return {"ok": "stopping after the current step"}

    Panel.register(shutdown, type="control", name="shutdown")
    for name, reason in REFUSED.items():
        Panel.register(_refusal(reason), type="control", name=name, help=f"Refused: {reason}")


def _refusal(reason: str) -> Any:
    def refuse(state: Any, **_: Any) -> dict[str, str]:
        return {"error": reason}

    return refuse
