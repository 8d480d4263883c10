"""The ledger: which tasks are done or failed, and the publishing of results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.errors import LeaseLost, WorkError
from jobs.store import records
from jobs.store.datasets import DataSetStore
from jobs.store.publish import publish_file
from jobs.task import Task


@dataclass(frozen=True, slots=True)
class Ledger:
    """Ids of all done and all failed tasks when the store was listed."""

    done: frozenset[str]
    failed: frozenset[str]

    def is_done(self, task: Task) -> bool:
        """Whether the task's result was published at that time."""
        return task.id in self.done

    def has_failed(self, task: Task) -> bool:
        """Whether the task had permanently failed at that time."""
        return task.id in self.failed


@dataclass(frozen=True, slots=True)
class LedgerStore(DataSetStore):
    """Results of the tasks of one store folder."""

    def ledger(self) -> Ledger:
        """List done and failed tasks, reading two folders however many tasks exist."""
        done, failed = (
            frozenset(
                name.removesuffix(".json") for name in atomic.list_names(self.ledger_folder(kind))
            )
            for kind in ("done", "failed")
        )
        return Ledger(done, failed)

    def done(self, task: Task) -> dict[str, Any] | None:
        """The published result of a task, or None."""
        return records.read_result(self.done_path(task))

    def is_done(self, task: Task) -> bool:
        """Whether the task's result is published."""
        return os.path.exists(
            f"{self.root}/ledger/done/{task.id}.json"
        )  # building a Path would be slower than the check

    def failed(self, task: Task) -> dict[str, Any] | None:
        """Why the task permanently failed (`failure`, `message`, `attempt`), or None."""
        return records.read(self.failed_path(task), known=records.FAILURE_FIELDS)

    def has_failed(self, task: Task) -> bool:
        """Whether the task permanently failed and will not be retried."""
        return os.path.exists(f"{self.root}/ledger/failed/{task.id}.json")

    def publish(
        self, task: Task, result: dict[str, Any], work_folder: Path, holds_lease: Any
    ) -> None:
        """Publish an attempt's files, then record the task as done.

        `result["files"]` maps names in the work folder to paths relative to the store. Raises
        `LeaseLost` if `holds_lease()` is false or another attempt published first. The files of
        that attempt stay. Raises `WorkError` for a path outside the store.
        """
        published = []
        if not holds_lease():
            raise LeaseLost(
                f"{task.id}: another worker holds the lease. This attempt publishes nothing."
            )
        for draft, place in result.get("files", {}).items():
            if not records.is_inside_store(place):
                raise WorkError(
                    f"{task.id} would publish '{place}', which is outside the store. Nothing is "
                    "published."
                )
            target = self.root / place
            publish_file(work_folder / draft, target, lambda: self.is_done(task))
            published.append(
                {
                    "path": place,
                    "sha256": atomic.file_digest(target),
                    "bytes": target.stat().st_size,
                }
            )
        if not atomic.create_json(self.done_path(task), {**result, "files": published}):
            raise LeaseLost(
                f"{task.id}: another attempt has already published its result. This attempt "
                "changes nothing."
            )
