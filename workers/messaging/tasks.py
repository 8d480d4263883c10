"""The Celery tasks: what a received message calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import get_args

from celery import Celery

from jobs.task import Kind

log = logging.getLogger("orch.worker")


def register_tasks(application: Celery, execute: Callable[[str], str], store: str = "") -> None:
    """Register `orch.prepare`, `orch.train` and `orch.evaluate`, which call `execute(task_id)`.

    All of them run the same function: it looks the task up in the ledger. The names are what
    Flower groups by. A message for another store than the one with the id `store` is refused.
    """

    def run(task_id: str, **about: object) -> str:
        if about.get("store", store) != store:
            log.error("a message for another store was refused: %.200s", about)
            return "refused"
        return execute(str(task_id))

    for kind in get_args(Kind):
        application.task(run, name=f"orch.{kind}", shared=False)
