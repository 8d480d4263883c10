"""The records that attempts leave: their rows, and the failures of tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs import atomic
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

SUBMITTED_AT = 1_790_000_000.0


def write_failure(store: Store, task: Task, message: str) -> None:
    """Record in the ledger that a task failed for good."""
    atomic.create_json(
        store.failed_path(task), {"failure": "bad-image", "message": message, "attempt": 1}
    )


def write_attempt_row(store: Store, run: Run, task: Task, state: str) -> None:
    """The row of a task's only attempt, which took eight seconds."""
    began = datetime.fromtimestamp(SUBMITTED_AT, UTC)
    row = {
        "task": task.id,
        "kind": task.kind,
        "run": run.name,
        "attempt": 1,
        "state": state,
        "failure": "bad-image" if state == "failed" else None,
        "worker": "alpha-1",
        "host": "alpha",
        "device": "cpu",
        "queued_at": began,
        "started_at": began + timedelta(seconds=1),
        "finished_at": began + timedelta(seconds=9),
    }
    trial = tables.DATA_SETS if task.kind == "prepare" else task.subject
    place = store.root / tables.table_folder("attempts", trial) / f"{task.id}-0001.parquet"
    tables.write_table(place, tables.build_table("attempts", [row]))
