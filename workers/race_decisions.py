"""Make the decisions of runs that are due once a training has ended."""

from __future__ import annotations

import logging

from jobs import readiness
from jobs.errors import OrchError
from jobs.racing.record_decisions import decide
from jobs.store.ledger import Ledger
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

log = logging.getLogger("orch.worker")


def after(store: Store, task: Task) -> list[Task]:
    """The tasks that are ready by decisions that the end of this training made due."""
    if task.kind != "train":
        return []
    runs = [run for run in store.wanted_by(task) if run.decision_epochs]
    return [ready for run in runs if due(store, run) for ready in readiness.ready_tasks(store, run)]


def due(store: Store, run: Run, ledger: Ledger | None = None) -> bool:
    """Make what is due; returns whether anything was.

    Published answers that cannot be read put the decision off, and stop nothing else.
    """
    try:
        return decide(store, run, ledger)
    except (OrchError, OSError) as error:
        log.warning("the run %s cannot decide which networks go on: %s", run.name, error)
        return False
