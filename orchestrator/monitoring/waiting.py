"""Why tasks wait, as far as the heartbeats of workers and the records of attempts tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring import fitting
from orchestrator.monitoring.heartbeats import Heartbeat
from orchestrator.monitoring.progress import StoreView

MAX_TOLD = 3
PATHS = re.compile(r"/\S+")


def reason(
    state: str,
    scene: StoreView,
    store: Store,
    states: Mapping[str, str],
    unfit: Sequence[str] = (),
) -> str | None:
    """Why a run of this state waits; None if unknown, or if it does not.

    A worker's trouble may be a full disk, permissions, a pause, or the broker. Where no worker
    tells one, it is what no worker's device fits (`unfit`), or what the tasks failed with that are
    to be tried again, or what another run on the same trials requires.
    """
    if state != "waiting":
        return None
    workers = scene.workers
    if not workers:
        return "no worker is alive"
    if all(worker.loading for worker in workers):
        return "workers load torch"
    if drained := _all_drained(workers):
        return drained
    known = _troubles(workers) or unfit or _failures(store, states, scene.tried)
    return "; ".join(known or fitting.unfit_by_others(store, states, workers)) or None


def _troubles(workers: Sequence[Heartbeat]) -> list[str]:
    """What hinders the workers; once where they only name different files."""
    alike: dict[str, list[Heartbeat]] = {}
    for worker in workers:
        if worker.trouble:
            alike.setdefault(PATHS.sub("", worker.trouble), []).append(worker)
    return [
        f"{first.name}{f' and {len(others)} more' if others else ''}: {first.trouble}"
        for first, *others in alike.values()
    ]


def _all_drained(workers: Sequence[Heartbeat]) -> str:
    """What to say where no living worker takes tasks because each is drained; else empty."""
    names = [worker.drained for worker in workers if worker.drained]
    if len(names) < len(workers):
        return ""
    shown = list(dict.fromkeys(names))
    more = ", ..." if len(shown) > MAX_TOLD else ""
    return (
        f"every live worker is drained ({', '.join(shown[:MAX_TOLD])}{more}). Let one take tasks "
        f"again with: orch undrain {shown[0]}"
    )


def _failures(store: Store, states: Mapping[str, str], tried: Sequence[str]) -> list[str]:
    """What the open tasks failed with whose newest attempt failed; at most `MAX_TOLD`."""
    from workers.execution import attempts

    told: list[str] = []
    for task_id in tried:
        if states.get(task_id) != "open" or len(told) == MAX_TOLD:
            continue
        records = attempts.records(store, Task.parse(task_id))
        if records and records[-1].state == "failed":
            told.append(f"{task_id} will be tried again: {records[-1].message}")
    return told
