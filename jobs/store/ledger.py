"""The ledger: which tasks are done or failed, and the publishing of results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from jobs import atomic
from jobs.errors import LeaseLost, WorkError
from jobs.store import codec
from jobs.store.datasets import DataSetStore
from jobs.store.file_publishing import is_inside_store, publish_file
from jobs.store.records import PublishedFile, TaskFailure, TaskResult
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

    def done(self, task: Task) -> TaskResult | None:
        """The published result of a task, or None.

        Raises `DamagedFile`, also if it names a path outside the store, and `NewerRecord`.
        """
        path = self.done_path(task)
        result = codec.read(path, TaskResult)
        if result is None:
            return None
        for place in [*(file.path for file in result.files or ()), result.checkpoint or ""]:
            if not is_inside_store(place):
                raise codec.damaged_file(
                    path, f"it names {place[:60]!r}, which is outside the store"
                )
        return result

    def is_done(self, task: Task) -> bool:
        """Whether the task's result is published."""
        return os.path.exists(
            f"{self.root}/ledger/done/{task.id}.json"
        )  # building a Path would be slower than the check

    def failed(self, task: Task) -> TaskFailure | None:
        """Why the task permanently failed, or None; raises `DamagedFile` and `NewerRecord`."""
        return codec.read(self.failed_path(task), TaskFailure)

    def has_failed(self, task: Task) -> bool:
        """Whether the task permanently failed and will not be retried."""
        return os.path.exists(f"{self.root}/ledger/failed/{task.id}.json")

    def publish_result(
        self, task: Task, result: dict[str, Any], work_folder: Path, holds_lease: Any
    ) -> None:
        """Publish an attempt's files, then record the task as done, with the versions used.

        `result["files"]` maps names in the work folder to paths relative to the store. Raises
        `LeaseLost` if `holds_lease()` is false or another attempt published first. The files of
        that attempt stay. Raises `WorkError` for a path outside the store.
        """
        from jobs.versions import result_versions

        path, published = self.done_path(task), list[PublishedFile]()
        places = result.get("files", {})
        facts = {key: value for key, value in result.items() if key != "files"}
        made = codec.decode(path, facts | {"versions": result_versions()}, TaskResult)
        if not holds_lease():
            raise LeaseLost(
                f"{task.id}: another worker holds the lease. This attempt publishes nothing."
            )
        for draft, place in places.items():
            if not is_inside_store(place):
                raise WorkError(
                    f"{task.id} would publish '{place}', which is outside the store. Nothing is "
                    "published."
                )
            target = self.root / place
            publish_file(work_folder / draft, target, lambda: self.is_done(task))
            published.append(
                PublishedFile(place, atomic.file_digest(target), target.stat().st_size)
            )
        if not atomic.create_json(path, codec.encode(replace(made, files=tuple(published)))):
            raise LeaseLost(
                f"{task.id}: another attempt has already published its result. This attempt "
                "changes nothing."
            )
