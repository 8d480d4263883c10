"""Files that request further evaluations and benchmarks at a target epoch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import full_disk
from jobs.task import Task

if TYPE_CHECKING:
    from jobs.store.store import Store


def mark(store: Store, tasks: Iterable[Task]) -> None:
    """Record that these tasks at target epochs of their trials are wanted."""
    for path in (_path(store, task) for task in tasks):
        with full_disk.storage_errors(path), contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def unmark(store: Store, tasks: Iterable[Task]) -> None:
    """Take back that these tasks are wanted, unless a run still wants them."""
    for task in tasks:
        if not store.wanted_by(task):
            _path(store, task).unlink(missing_ok=True)


def _path(store: Store, task: Task) -> Path:
    return store.target_epochs_folder(task.subject) / task.id.split(".", 2)[2]
