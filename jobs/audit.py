"""Whether a run's published files are still what their digests say, and what to make again where they are not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import files
from jobs.store import Run, Store
from jobs.task import Task


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that was looked at: `problem` is None when it is whole; `task` is what made it (None: a checkpoint)."""

    path: str
    problem: str | None
    task: str | None


def audit(store: Store, run: Run) -> Iterator[Finding]:
    """Look at every file that the run's done tasks published and every checkpoint of its trials, reading each whole."""
    for task_id in run.tasks:
        yield from _audit_task(store, Task.parse(task_id))
    for trial in run.trials:
        yield from _audit_checkpoints(store, trial)


def discard(store: Store, findings: list[Finding]) -> list[str]:
    """Take damaged files out of the ledger so that `orch resume` makes them again; the tasks to be done again.

    Every file is made from what came before it with counted randomness, so what is made again is the same.
    """
    again = set()
    for finding in findings:
        if finding.problem is None:
            continue
        path = store.root / finding.path
        path.unlink(missing_ok=True)
        if finding.task is None:
            path.with_suffix(".json").unlink(missing_ok=True)
        else:
            store.done_path(Task.parse(finding.task)).unlink(missing_ok=True)
            again.add(finding.task)
    return sorted(again)


def take_back(store: Store, trained: Task) -> None:
    """Have a training done again whose checkpoint can no longer be read: from the one before, it ends the same."""
    with contextlib.suppress(ValueError):
        checkpoint = (store.done(trained) or {}).get("checkpoint")
        if checkpoint:
            (store.root / checkpoint).with_suffix(".json").unlink(missing_ok=True)
            (store.root / checkpoint).unlink(missing_ok=True)
    store.done_path(trained).unlink(missing_ok=True)


def _audit_task(store: Store, task: Task) -> Iterator[Finding]:
    place = store.done_path(task).relative_to(store.root).as_posix()
    try:
        outcome = store.done(task)
    except ValueError:
        yield Finding(place, "is not whole JSON", task.id)
        return
    if outcome is None:
        return
    yield Finding(place, None, task.id)
    for entry in outcome["files"]:
        yield Finding(entry["path"], _problem(store.root / entry["path"], entry), task.id)
    checkpoint, needed = outcome.get("checkpoint"), not store.is_done(Task("evaluate", task.subject, task.epoch))
    if checkpoint and needed and not (store.root / checkpoint).exists():
        yield Finding(checkpoint, "is missing", task.id)


def _audit_checkpoints(store: Store, trial: str) -> Iterator[Finding]:
    folder = store.trial_folder(trial) / "checkpoints"
    for name in files.names(folder):
        if name.endswith(".json"):
            path = (folder / name).with_suffix(".pt")
            try:
                described = files.read_json(folder / name)
            except ValueError:
                described = None
            whole = isinstance(described, dict) and {"sha256", "bytes"} <= described.keys()
            problem = _problem(path, described) if whole else "has a torn digest file"
            yield Finding(path.relative_to(store.root).as_posix(), problem, None)


def _problem(path: Path, entry: Any) -> str | None:
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            return f"has {size} bytes instead of {entry['bytes']}"
        return None if files.digest(path) == entry["sha256"] else "has other contents than its digest says"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
