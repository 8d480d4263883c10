"""A run's attempts: who worked on what, when, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.run import Run
from jobs.store import Store
from jobs.task import Task


@dataclass(frozen=True, slots=True)
class Tried:
    """One execution of a task; `state` is running, done, failed, stopped or lost; times are Unix times."""

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


def of_run(store: Store, run: Run) -> list[Tried]:
    """Every attempt on the run's tasks, those begun first at the front; other runs may have shared them."""
    found = [tried for task_id in run.tasks for tried in _of_task(store, Task.parse(task_id))]
    return sorted(found, key=lambda tried: (tried.started_at or 0.0, tried.task, tried.attempt))


def _of_task(store: Store, task: Task) -> Iterator[Tried]:
    from workers import attempt as attempts

    for record in attempts.records(store, task):
        log = Path(store.attempts_folder(task)) / f"{record['attempt']:04d}.log"
        yield Tried(
            task.id, record["attempt"], record["state"], record["failure"], record.get("message"), record["worker"],
            record.get("host"), record.get("device"), record.get("started_at"), record.get("finished_at"), str(log),
        )
