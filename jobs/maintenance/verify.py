"""Verify the checksums of a run's files, and remove damaged files."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jobs import plan
from jobs.errors import DamagedFile
from jobs.maintenance import inventory
from jobs.maintenance.inventory import ExpectedFile, FileCheck
from jobs.store import codec
from jobs.store.records import CheckpointRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

CHUNK = 1 << 23

Tell = Callable[[int, int], None]


def verify_files(
    store: Store, run: Run, tell: Tell = lambda done, total: None
) -> Iterator[FileCheck]:
    """Read and check every file that a report of the run reads, and every checkpoint of its trials.

    These include the files published by its done tasks, and by tasks of other runs for the same
    trials. `tell(done, total)` reports progress in bytes. A damaged file whose record changes
    during the check is not reported, because a worker is active.
    """
    looked = inventory.files_of_run(store, run)
    done, total = 0, sum(each.bytes for each in looked if isinstance(each, ExpectedFile))
    for each in looked:
        if isinstance(each, FileCheck):
            yield each
            continue
        before = _contents(each.record)
        problem = _problem(store.root / each.path, each, partial(_further, tell, done, total))
        done += each.bytes
        tell(done, total)
        if problem is None or (before is not None and _contents(each.record) == before):
            yield FileCheck(each.path, each.bytes, problem, each.task)


def remove_damaged(store: Store, findings: list[FileCheck], run: Run | None = None) -> list[str]:
    """Remove damaged files and their ledger records; returns the ids of tasks to repeat.

    `orch resume` recreates identical files, because the RNG is stateless.
    """
    again = set()
    for finding in findings:
        if finding.problem is None:
            continue
        path = store.root / finding.path
        if finding.task is not None:
            store.done_path(Task.parse(finding.task)).unlink(missing_ok=True)
            again.add(finding.task)
        if path.suffix == ".pt":
            path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if run is not None and path.name == "trial.json":
            _describe_again(store, run, path.parent.name)
    return sorted(again)


def redo_training(store: Store, trained: Task) -> None:
    """Remove a training's result and unreadable checkpoint, so that it is done again.

    The training resumes from the previous checkpoint and gives the same result.
    """
    with contextlib.suppress(DamagedFile):
        result = store.done(trained)
        if result and result.checkpoint:
            checkpoint = store.root / result.checkpoint
            codec.refuse_newer(CheckpointRecord, checkpoint.with_suffix(".json"))
            checkpoint.with_suffix(".json").unlink(missing_ok=True)
            checkpoint.unlink(missing_ok=True)
    store.done_path(trained).unlink(missing_ok=True)


def _problem(path: Path, claim: ExpectedFile, tell: Callable[[int], None]) -> str | None:
    try:
        if claim.sha256 is None:
            return _unread(path)
        size = path.stat().st_size
        if size != claim.bytes:
            return f"has {size:,} bytes instead of {claim.bytes:,}"
        return None if _digest(path, tell) == claim.sha256 else "does not match its checksum"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _unread(path: Path) -> str | None:
    """Why a table cannot be read, or None."""
    from jobs.store import tables

    try:
        tables.read_table(path, tables.SCHEMAS[path.parent.parent.name])
    except DamagedFile:
        return "is not a complete table"
    return None


def _digest(path: Path, tell: Callable[[int], None]) -> str:
    summed, read = hashlib.sha256(), 0
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            summed.update(chunk)
            read += len(chunk)
            tell(read)
    return summed.hexdigest()


def _further(tell: Tell, done: int, total: int, more: int) -> None:
    tell(done + more, total)


def _contents(record: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return record.read_bytes()
    return None


def _describe_again(store: Store, run: Run, name: str) -> None:
    """Rewrite a trial's record from the run's specification."""
    names = {store.described(data).settings: data for data in run.data_sets}
    unfolded = plan.unfold(run.spec, names.__getitem__)
    for trial in unfolded.trials:
        if trial.name == name:
            store.save_trial(trial, unfolded.target_epochs, run.name, unfolded.corruption_levels)
