"""Attempts of a run: who worked on what, when, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from jobs.errors import WorkerLost
from jobs.store.records import AttemptRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.formatting import duration
from orchestrator.monitoring import heartbeats


@dataclass(frozen=True, slots=True)
class AttemptStatus:
    """One attempt; `state` is running, done, failed, stopped or lost; times are Unix times."""

    task: str
    attempt: int
    state: str
    failure: str | None
    message: str | None
    worker: str | None
    host: str | None
    device: str | None
    started_at: float | None
    finished_at: float | None
    log: str
    versions: dict[str, str] | None = None


def attempts_of_run(store: Store, run: Run) -> list[AttemptStatus]:
    """All attempts at the run's tasks, in order of start; other runs may share them."""
    return attempts_of(store, run.tasks)


def attempts_of(store: Store, tasks: Iterable[str]) -> list[AttemptStatus]:
    """All attempts at these tasks, in order of start.

    A record says "running" until another worker claims the task. If its own worker has no fresh
    heartbeat, the attempt counts as lost here.
    """
    silent = {
        sign.name: sign.age_s for sign in heartbeats.read_heartbeats(store.root) if not sign.fresh
    }
    attempts = [
        tried for task_id in tasks for tried in _of_task(store, Task.parse(task_id), silent)
    ]
    return sorted(attempts, key=lambda tried: (tried.started_at or 0.0, tried.task, tried.attempt))


def _of_task(store: Store, task: Task, silent: dict[str, float]) -> Iterator[AttemptStatus]:
    from workers.execution import attempts

    for record in attempts.records(store, task):
        log = Path(store.attempts_folder(task)) / f"{record.attempt:04d}.log"
        tried = _as_heard(store, task, record, silent)
        yield AttemptStatus(
            task.id,
            tried.attempt,
            tried.state,
            tried.failure,
            tried.message,
            tried.worker,
            tried.host,
            tried.device,
            tried.started_at,
            tried.finished_at,
            str(log),
            tried.versions,
        )


def _as_heard(
    store: Store, task: Task, record: AttemptRecord, silent: dict[str, float]
) -> AttemptRecord:
    """The attempt; its state is lost if it is recorded as running and its worker is in `silent`."""
    from workers.execution import attempts

    if record.state != "running" or record.worker not in silent:
        return record
    why = (
        f"the last heartbeat of its worker was {duration(silent[record.worker])} ago; another "
        f"worker will continue the task"
    )
    return structs.replace(
        record,
        state="lost",
        failure=WorkerLost.failure,
        message=why,
        finished_at=attempts.last_heard(store, task, record),
    )
