"""Records in a format that only a newer orch could read, of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.store import codec
from jobs.store.drains import DrainRecord
from jobs.store.features import FeaturesRecord
from jobs.store.records import (
    AttemptRecord,
    CancelledRecord,
    CheckpointRecord,
    DataSetRecord,
    HandoverRecord,
    HeartbeatRecord,
    LeaseRecord,
    MicroBatchesRecord,
    NumericsRecord,
    ProgressRecord,
    RatesRecord,
    Record,
    ResetRecord,
    RunRecord,
    TaskFailure,
    TaskResult,
    ThreadsRecord,
    TrialRecord,
)
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task


@dataclass(frozen=True)
class Kind:
    """A kind of record, and where it lies for a run, or for a task of it."""

    record: type[Record]
    path: Callable[[Store, Run, Task], Path]


def of_attempts(name: str) -> Callable[[Store, Run, Task], Path]:
    """A file beside the attempts at the task."""
    return lambda store, run, task: store.attempts_folder(task) / name


KINDS: dict[str, Kind] = {
    "run": Kind(RunRecord, lambda store, run, task: store.run_path(run.name)),
    "cancelled": Kind(CancelledRecord, lambda store, run, task: store.cancelled_path(run.name)),
    "trial": Kind(TrialRecord, lambda store, run, task: store.trial_path(run.trials[0])),
    "data set": Kind(DataSetRecord, lambda store, run, task: store.source_path(run.data)),
    "result": Kind(TaskResult, lambda store, run, task: store.done_path(task)),
    "failure": Kind(TaskFailure, lambda store, run, task: store.failed_path(task)),
    "attempt": Kind(AttemptRecord, of_attempts("0001.json")),
    "reset": Kind(ResetRecord, of_attempts("forgiven.json")),
    "progress": Kind(ProgressRecord, lambda store, run, task: store.progress_path(task)),
    "heartbeat": Kind(HeartbeatRecord, lambda store, run, task: store.heartbeat_path("w9")),
    "drain": Kind(DrainRecord, lambda store, run, task: store.drain_path("w9")),
    "lease": Kind(
        LeaseRecord, lambda store, run, task: store.lease_folder(task.lease_key) / "00000001.json"
    ),
    "handover": Kind(HandoverRecord, lambda store, run, task: store.asked_path(task.lease_key, 1)),
    "rates": Kind(RatesRecord, lambda store, run, task: store.pace_path("host", "cpu")),
    "numerics": Kind(NumericsRecord, lambda store, run, task: store.numerics_path(run.trials[0])),
    "threads": Kind(ThreadsRecord, lambda store, run, task: store.threads_path(run.trials[0])),
    "micro-batches": Kind(
        MicroBatchesRecord, lambda store, run, task: store.microbatches_path(run.trials[0])
    ),
    "checkpoint": Kind(
        CheckpointRecord,
        lambda store, run, task: store.checkpoints_folder(run.trials[0]) / "e0001-t9.json",
    ),
    "features": Kind(FeaturesRecord, lambda store, run, task: store.features_folder / "key.json"),
}
"""All kinds of records in the store."""


def make_newer(kind: str, store: Store, run: Run, task: Task) -> Path:
    """Turn a record into one of the next format, or make one; its path."""
    path = KINDS[kind].path(store, run, task)
    values: dict[str, Any] = {}
    if path.exists():
        values = dict(atomic.read_json(path) or {})
    version = KINDS[kind].record.FORMAT + 1
    atomic.write_json(path, values | {codec.FORMAT_KEY: version, "of_later": [1]})
    return path


def records_without_format(store: Store) -> list[str]:
    """The JSON files of a store that hold no version of their format; at least one must be there.

    Heartbeats, leases and rates are records too.
    """
    paths = [path for path in store.root.rglob("*.json") if not path.name.endswith(".draft")]
    assert paths
    return [
        path.relative_to(store.root).as_posix()
        for path in paths
        if type((atomic.read_json(path) or {}).get(codec.FORMAT_KEY)) is not int
    ]
