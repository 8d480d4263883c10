"""Whether a run's tasks are running, before the run is removed."""

from __future__ import annotations

import time

from jobs import settings
from jobs.errors import BadSpec, RequestError
from jobs.maintenance import removal
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring import heartbeats

STOPPING_S = 60.0
LOOK_S = 0.5


def require_idle(store: Store, run: Run | RunOutline, waits: bool = True) -> None:
    """Raise `RequestError` while the run's tasks are running.

    If it is cancelled, its tasks end after their step, which is waited for.
    """
    cancelled = store.is_cancelled(run.name)
    until = time.monotonic() + (STOPPING_S if cancelled and waits else 0)
    while running := _running(store, run, cancelled):
        if not cancelled:
            raise RequestError(
                f"{len(running)} task(s) of {run.name} are running. Cancel it first: "
                f"{settings.command_line(store.root, 'cancel', run.name)}"
            )
        if time.monotonic() >= until:
            raise RequestError(
                f"{len(running)} task(s) of {run.name} are still stopping, such as {running[0]}. "
                "Nothing was removed. Try again in a moment."
            )
        time.sleep(LOOK_S)


def _running(store: Store, run: Run | RunOutline, cancelled: bool) -> list[str]:
    """The run's tasks that live workers say they are at.

    Of a cancelled run only those whose files would be removed: others go on for other runs.
    """
    signed = heartbeats.read_heartbeats(store.root)
    busy = {task for sign in signed if sign.fresh for task in sign.tasks}
    if not busy:
        return []
    if not cancelled:
        return sorted(busy & set(run.tasks))
    doomed = removal.plan_removal(store, run).doomed
    return sorted(task for task in busy if _subject(task) in doomed)


def _subject(task: str) -> str:
    try:
        return Task.parse(task).subject
    except BadSpec:
        return ""
