"""The Celery tasks: what a received message calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from celery import Celery

from jobs.task import Kind


def register_tasks(application: Celery, execute: Callable[[str], str]) -> None:
    """Register `orch.prepare`, `orch.train` and `orch.evaluate`, which call `execute(task_id)`.

    All of them run the same function: it looks the task up in the ledger. The names are what
    Flower groups by.
    """

    def run(task_id: str) -> str:
        return execute(str(task_id))

    for kind in get_args(Kind):
        application.task(run, name=f"orch.{kind}", shared=False)
