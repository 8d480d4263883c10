"""The Celery tasks: what a received message calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from celery import Celery
from celery.worker import request

from jobs.errors import RequestError
from jobs.task import KINDS

log = logging.getLogger("orch.worker")
TOLD_BY_ATTEMPTS = {"task-started", "task-succeeded"}
"""Events of Celery's own that say less than those of attempts do, or that are wrong for ours."""


class Execute(Protocol):
    """Handles the message with this Celery id for a task of this id."""

    def __call__(self, task_id: str, celery_id: str) -> object: ...


class MessageRequest(request.Request):  # type: ignore[misc]  # celery is not typed
    """A received message; what becomes of it is told by the attempts, not by Celery.

    For Celery every message that raised nothing has succeeded.
    """

    def send_event(self, type: str, **fields: Any) -> None:
        """Send one of Celery's own events, unless an attempt tells more."""
        if type not in TOLD_BY_ATTEMPTS:
            super().send_event(type, **fields)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Stop the attempt after its current step; a thread cannot be sent a signal."""
        self.app.terminate(self.id)


def register_tasks(
    application: Celery,
    execute: Execute,
    store: str = "",
    terminate: Callable[[str], None] = lambda celery_id: None,
) -> None:
    """Register `orch.prepare`, `orch.train` and `orch.evaluate`, which call `execute`.

    All of them run the same function: it looks the task up in the ledger. A message for another
    store than the one with the id `store` is refused. `terminate` stops the attempt of a message.
    """

    def run(message: Any, task_id: str, **about: object) -> object:
        if about.get("store", store) != store:
            log.error("a message for another store was refused: %.200s", about)
            raise RequestError("refused: the message is for another store.")
        return execute(str(task_id), message.request.id or "")

    application.terminate = terminate
    shared: dict[str, Any] = {"bind": True, "shared": False, "Request": MessageRequest}
    for kind in KINDS:
        application.task(run, name=f"orch.{kind}", throws=(RequestError,), **shared)
