"""Attempts: records of the executions of a task."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs import atomic, permissions
from jobs.errors import AccessDenied, BatchSplit, Crowded, OrchError, WorkerLost
from jobs.store import tables
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
NOT_COUNTED = {"stopped", "lease-lost", "storage-full", AccessDenied.failure, *RETRY_AT_ONCE}


@dataclass(slots=True)
class Attempt:
    """The record of an attempt; `number` counts from 1 per task."""

    store: Store
    task: Task
    number: int
    record: dict[str, Any] = field(default_factory=dict)

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
        self.record |= {
            "state": state,
            "failure": error.failure if error else None,
            "message": str(error) if error else None,
            "finished_at": time.time() if at is None else at,
        }
        path = self.store.attempts_folder(self.task) / f"{self.number:04d}.json"
        try:
            atomic.rewrite_json(path, self.record)
        except FileNotFoundError:  # removed, or of another user: replaced, never followed
            atomic.write_json(path, self.record, durable=False)
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
    """The attempts at a task, read once; `begin` adds this worker's own.

    Failures count only from the newest resume point, and only after `reset_up_to`.
    """

    store: Store
    task: Task
    records: list[dict[str, Any]]
    reset_up_to: int = 0

    def at_resume_point(self) -> list[dict[str, Any]]:
        """Attempts from the newest resume point, without reset ones."""
        newest = resume_point(self.store, self.task)
        return [
            record
            for record in self.records
            if record["position"] == newest and record["attempt"] > self.reset_up_to
        ]

    def counted_failures(self) -> list[dict[str, Any]]:
        """Failed attempts from this resume point, for reasons that may lie in the task."""
        return [
            record
            for record in self.at_resume_point()
            if record["failure"] not in NOT_COUNTED and record["state"] != "lost"
        ]

    def lost_too_often(self) -> bool:
        """Whether too many workers were lost from this resume point to be chance."""
        lost = [
            record
            for record in self.at_resume_point()
            if record["state"] == "lost" and record["failure"] == WorkerLost.failure
        ]
        return len(lost) >= MAX_LOST

    def must_run_exclusively(self) -> bool:
        """Whether memory ran out from this resume point, or may have: the child just died."""
        failures = {r["failure"] for r in self.at_resume_point() if r["state"] == "failed"}
        return bool({*RETRY_AT_ONCE, WorkerLost.failure} & failures)

    def must_wait(self) -> bool:
        """Whether the task failed so recently that it must wait: 2, 4, 8 ... s, at most 5 min."""
        tried = self.at_resume_point()
        failed = [
            record
            for record in tried
            if record["state"] == "failed" and record["failure"] not in RETRY_AT_ONCE
        ]
        if not failed or tried[-1] is not failed[-1]:
            return False
        pause_s = min(MAX_RETRY_DELAY_S, 2.0 ** len(failed))
        return bool(time.time() < failed[-1]["finished_at"] + pause_s)


def read_history(store: Store, task: Task) -> History:
    """The recorded attempts at a task."""
    reset_up_to = 0
    with contextlib.suppress(ValueError, TypeError, KeyError):
        path = store.attempts_folder(task) / RESET_FILE
        reset_up_to = int((atomic.read_json(path) or {"attempt": 0})["attempt"])
    return History(store, task, records(store, task), reset_up_to)


def begin(history: History, who: dict[str, Any]) -> Attempt:
    """Record a new attempt; attempts of dead workers are first recorded as lost."""
    store, task, previous = history.store, history.task, history.records
    permissions.refuse_planted_link(store.attempts_folder(task))
    for record in previous:
        if record["state"] == "running":
            lost = Attempt(store, task, record["attempt"], record)
            lost.finish(
                "lost",
                WorkerLost(f"the worker {record['worker']} was lost."),
                last_heard(store, task, record),
            )
    number = max((record["attempt"] for record in previous), default=0) + 1
    now, ended = (
        time.time(),
        [at for r in previous if isinstance(at := r.get("finished_at"), int | float)],
    )
    record = {
        "task": task.id,
        "kind": task.kind,
        "attempt": number,
        "state": "running",
        "failure": None,
        "started_at": now,
        "finished_at": None,
        "position": resume_point(store, task),
        **who,
    }
    if record.get("queued_at") is not None:  # time of earlier attempts is not time in the queue
        record["queued_at"] = min(now, max([record["queued_at"], *ended]))
    while not atomic.claim_json(
        store.attempts_folder(task) / f"{number:04d}.json", record | {"attempt": number}
    ):
        number += 1
    attempt = Attempt(store, task, number, record | {"attempt": number})
    attempt.work_folder.mkdir(exist_ok=True)
    history.records.append(attempt.record)
    return attempt


def last_heard(store: Store, task: Task, record: dict[str, Any]) -> float:
    """Last report of an attempt, else its start (Unix time, by the clock of its worker)."""
    said: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        said = dict(atomic.read_json(store.progress_path(task)) or {})
    its_own = (said.get("attempt"), said.get("worker")) == (record["attempt"], record["worker"])
    times = [record.get("started_at"), said.get("at") if its_own else None]
    return max((float(at) for at in times if isinstance(at, int | float)), default=time.time())


def records(store: Store, task: Task) -> list[dict[str, Any]]:
    """All recorded attempts of a task, in order; an unreadable record counts as lost."""
    folder = store.attempts_folder(task)
    names = [name for name in atomic.list_names(folder) if re.fullmatch(r"\d+\.json", name)]
    return [_read(folder / name) for name in sorted(names, key=lambda name: int(name[:-5]))]


def reset_failures(store: Store, task: Task) -> None:
    """Reset the counted failures: the task may be tried at once, as often as a new one."""
    last = max((record["attempt"] for record in records(store, task)), default=0)
    if last:
        atomic.write_json(store.attempts_folder(task) / RESET_FILE, {"attempt": last})


def resume_point(store: Store, task: Task) -> str:
    """The resume point: the newest checkpoint of a trial; empty for other tasks."""
    if task.kind != "train":
        return ""
    names = atomic.list_names(store.checkpoints_folder(task.subject))
    found = [m for name in names if name.endswith(".json") and (m := CHECKPOINT.match(name))]
    newest = max(found, key=lambda m: (int(m[1]), int(m[2] or 0)), default=None)
    return newest[0] if newest else ""


def _read(path: Path) -> dict[str, Any]:
    torn = {
        "attempt": int(path.stem),
        "state": "lost",
        "failure": "lease-lost",
        "position": None,
        "worker": None,
    }
    try:
        found = atomic.read_json(path)
    except ValueError:
        return torn
    return found if isinstance(found, dict) and torn.keys() <= found.keys() else torn


def _row(record: dict[str, Any]) -> dict[str, Any]:
    times = {
        key: datetime.fromtimestamp(record[key], UTC) if record.get(key) is not None else None
        for key in ("queued_at", "started_at", "finished_at")
    }
    recorded = record.get("versions") or {}
    versions = {f"{package}_version": recorded.get(package) for package in RESULT_PACKAGES}
    return {key: record.get(key) for key in tables.SCHEMAS["attempts"].names} | times | versions
