"""Why tasks wait, as far as the heartbeats of workers and the records of attempts tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs import atomic
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring.heartbeats import Heartbeat

MAX_TOLD = 3


def reason(
    state: str, workers: Sequence[Heartbeat], store: Store, states: Mapping[str, str]
) -> str | None:
    """Why a run of this state waits; None if unknown, or if it does not.

    A worker's trouble may be a full disk, permissions, a pause, or the broker. Where no worker
    tells one, it is what the tasks failed with that are to be tried again.
    """
    if state != "waiting":
        return None
    if not workers:
        return "no worker is alive"
    if all(worker.loading for worker in workers):
        return "workers load torch"
    troubles = {worker.trouble: worker.name for worker in workers if worker.trouble}
    told = [f"{name}: {trouble}" for trouble, name in troubles.items()]
    return "; ".join(told or _failures(store, states)) or None


def _failures(store: Store, states: Mapping[str, str]) -> list[str]:
    """What the open tasks failed with whose newest attempt failed; at most `MAX_TOLD`."""
    from workers.execution import attempts

    told: list[str] = []
    for task_id in atomic.list_names(store.all_attempts_folder):
        if states.get(task_id) != "open" or len(told) == MAX_TOLD:
            continue
        tried = attempts.records(store, Task.parse(task_id))
        if tried and tried[-1].state == "failed":
            told.append(f"{task_id} will be tried again: {tried[-1].message}")
    return told
