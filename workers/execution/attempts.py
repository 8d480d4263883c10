"""Attempts: records of the executions of a task."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import structs

from jobs import atomic, permissions
from jobs.errors import (
    AccessDenied,
    BatchSplit,
    Crowded,
    DamagedFile,
    NewerRecord,
    OrchError,
    UnknownEntry,
    WorkerLost,
)
from jobs.store import codec, tables
from jobs.store.records import AttemptRecord, ProgressRecord, ResetRecord
from jobs.store.store import Store
from jobs.task import Task
from jobs.versions import RESULT_PACKAGES

MAX_ATTEMPTS = 5
MAX_LOST = 20
MAX_RETRY_DELAY_S = 300.0
RESET_FILE = "forgiven.json"
CHECKPOINT = re.compile(r"e(\d+)(?:-s(\d+))?")
RETRY_AT_ONCE = {BatchSplit.failure, Crowded.failure}
"""Failures after which the next attempt differs, so it need not wait."""
NOT_COUNTED = {
    "stopped",
    "lease-lost",
    "storage-full",
    AccessDenied.failure,
    NewerRecord.failure,
    UnknownEntry.failure,
    *RETRY_AT_ONCE,
}


@dataclass(slots=True)
class Attempt:
    """An attempt and its record, which `finish` replaces."""

    store: Store
    task: Task
    record: AttemptRecord

    @property
    def number(self) -> int:
        """The number of the attempt, from 1 per task."""
        return self.record.attempt

    @property
    def log(self) -> Path:
        """Where the child's output goes."""
        return self.store.attempts_folder(self.task) / f"{self.number:04d}.log"

    @property
    def work_folder(self) -> Path:
        """Where the child writes the files to publish."""
        return self.store.attempts_folder(self.task) / f"{self.number:04d}"

    def finish(self, state: str, error: OrchError | None = None, at: float | None = None) -> None:
        """Record the end of the attempt (`done`, `failed`, `stopped`, `lost`), and add its table
        row.

        `at` is the end (Unix time); None: now.
        """
        self.record = structs.replace(
            self.record,
            state=state,
            failure=error.failure if error else None,
            message=str(error) if error else None,
            finished_at=time.time() if at is None else at,
        )
        values = codec.encode(self.record)
        path = self.store.attempts_folder(self.task) / f"{self.number:04d}.json"
        try:
            atomic.rewrite_json(path, values)
        except FileNotFoundError:  # removed, or of another user: replaced, never followed
            atomic.write_json(path, values, durable=False)
        trial = tables.DATA_SETS if self.task.kind == "prepare" else self.task.subject
        place = (
            self.store.root
            / tables.table_folder("attempts", trial)
            / f"{self.task.id}-{self.number:04d}.parquet"
        )
        tables.leave_null_partition(self.store.root)
        tables.write_table(
            place, tables.build_table("attempts", [_row(self.record)]), durable=False
        )


@dataclass(slots=True)
class History:
    """The attempts at a task, read once; `begin` adds this worker's `own`.

    Failures count only from the newest resume point, and only after `reset_up_to`.
    """

    store: Store
    task: Task
    earlier: list[AttemptRecord]
    reset_up_to: int = 0
    own: Attempt | None = None

    @property
    def records(self) -> list[AttemptRecord]:
        """All attempts as they are now, in order."""
        return [*self.earlier, *([self.own.record] if self.own else [])]

    def at_resume_point(self) -> list[AttemptRecord]:
        """Attempts from the newest resume point, without reset ones."""
        newest = resume_point(self.store, self.task)
        return [
            record
            for record in self.records
            if record.position == newest and record.attempt > self.reset_up_to
        ]

    def counted_failures(self) -> list[AttemptRecord]:
        """Failed attempts from this resume point, for reasons that may lie in the task."""
        return [
            record
            for record in self.at_resume_point()
            if record.failure not in NOT_COUNTED and record.state != "lost"
        ]

    def lost_too_often(self) -> bool:
        """Whether too many workers were lost from this resume point to be chance."""
        lost = [
            record
            for record in self.at_resume_point()
            if record.state == "lost" and record.failure == WorkerLost.failure
        ]
        return len(lost) >= MAX_LOST

    def must_run_exclusively(self) -> bool:
        """Whether memory ran out from this resume point, or may have: the child just died."""
        failures = {each.failure for each in self.at_resume_point() if each.state == "failed"}
        return bool({*RETRY_AT_ONCE, WorkerLost.failure} & failures)

    def must_wait(self) -> bool:
        """Whether the task failed so recently that it must wait: 2, 4, 8 ... s, at most 5 min."""
        tried = self.at_resume_point()
        failed = [
            record
            for record in tried
            if record.state == "failed" and record.failure not in RETRY_AT_ONCE
        ]
        if not failed or tried[-1] is not failed[-1]:
            return False
        pause_s = min(MAX_RETRY_DELAY_S, 2.0 ** len(failed))
        return time.time() < (failed[-1].finished_at or 0.0) + pause_s


def read_history(store: Store, task: Task) -> History:
    """The recorded attempts at a task; raises `NewerRecord`."""
    reset = None
    with contextlib.suppress(DamagedFile):
        reset = codec.read(store.attempts_folder(task) / RESET_FILE, ResetRecord)
    return History(store, task, records(store, task), reset.attempt if reset else 0)


def begin(history: History, who: Mapping[str, Any]) -> Attempt:
    """Record a new attempt; attempts of dead workers are first recorded as lost.

    `who` are further fields of its record, such as `worker` and `device`.
    """
    store, task = history.store, history.task
    permissions.refuse_planted_link(store.attempts_folder(task))
    history.earlier = [_closed(store, task, record) for record in history.records]
    ended = [each.finished_at for each in history.earlier if each.finished_at is not None]
    now = time.time()
    record = AttemptRecord(
        task=task.id,
        kind=task.kind,
        attempt=max((each.attempt for each in history.earlier), default=0) + 1,
        state="running",
        failure=None,
        started_at=now,
        position=resume_point(store, task),
        **who,
    )
    if record.queued_at is not None:  # time of earlier attempts is not time in the queue
        record = structs.replace(record, queued_at=min(now, max([record.queued_at, *ended])))
    while not atomic.claim_json(
        store.attempts_folder(task) / f"{record.attempt:04d}.json", codec.encode(record)
    ):
        record = structs.replace(record, attempt=record.attempt + 1)
    attempt = history.own = Attempt(store, task, record)
    attempt.work_folder.mkdir(exist_ok=True)
    return attempt


def _closed(store: Store, task: Task, record: AttemptRecord) -> AttemptRecord:
    """The record; one that says "running" is first recorded as lost."""
    if record.state != "running":
        return record
    lost = Attempt(store, task, record)
    lost.finish("lost", _lost(record), last_heard(store, task, record))
    return lost.record


def as_lost(store: Store, task: Task, record: AttemptRecord) -> AttemptRecord:
    """A running attempt as it will be recorded once the task is begun again."""
    why = _lost(record)
    return structs.replace(
        record,
        state="lost",
        failure=why.failure,
        message=str(why),
        finished_at=last_heard(store, task, record),
    )


def _lost(record: AttemptRecord) -> WorkerLost:
    return WorkerLost(f"the worker {record.worker} was lost.")


def last_heard(store: Store, task: Task, record: AttemptRecord) -> float:
    """Last report of an attempt, else its start (Unix time, by the clock of its worker)."""
    said = None
    with contextlib.suppress(OSError, DamagedFile):
        said = codec.read(store.progress_path(task), ProgressRecord)
    times = [record.started_at]
    if said and (said.attempt, said.worker) == (record.attempt, record.worker):
        times.append(said.at)
    return max((float(at) for at in times if at is not None), default=time.time())


def records(store: Store, task: Task) -> list[AttemptRecord]:
    """All recorded attempts of a task, in order; an unreadable record counts as lost."""
    folder = store.attempts_folder(task)
    names = [name for name in atomic.list_names(folder) if re.fullmatch(r"\d+\.json", name)]
    return [_read(folder / name) for name in sorted(names, key=lambda name: int(name[:-5]))]


def reset_failures(store: Store, task: Task) -> None:
    """Reset the counted failures: the task may be tried at once, as often as a new one."""
    last = max((record.attempt for record in records(store, task)), default=0)
    if last:
        path = store.attempts_folder(task) / RESET_FILE
        codec.refuse_newer(ResetRecord, path)
        atomic.write_json(path, codec.encode(ResetRecord(last)))


def resume_point(store: Store, task: Task) -> str:
    """The resume point: the newest checkpoint of a trial; empty for other tasks."""
    if task.kind != "train":
        return ""
    names = atomic.list_names(store.checkpoints_folder(task.subject))
    checkpoints = [m for name in names if name.endswith(".json") and (m := CHECKPOINT.match(name))]
    newest = max(checkpoints, key=lambda m: (int(m[1]), int(m[2] or 0)), default=None)
    return newest[0] if newest else ""


def _read(path: Path) -> AttemptRecord:
    record = None
    with contextlib.suppress(DamagedFile):
        record = codec.read(path, AttemptRecord)
    return record or AttemptRecord(
        attempt=int(path.stem), state="lost", failure="lease-lost", position=None, worker=None
    )


def _row(record: AttemptRecord) -> dict[str, Any]:
    values = structs.asdict(record)
    times = {
        key: datetime.fromtimestamp(values[key], UTC) if values[key] is not None else None
        for key in ("queued_at", "started_at", "finished_at")
    }
    recorded = record.versions or {}
    versions = {f"{package}_version": recorded.get(package) for package in RESULT_PACKAGES}
    return {key: values.get(key) for key in tables.SCHEMAS["attempts"].names} | times | versions
