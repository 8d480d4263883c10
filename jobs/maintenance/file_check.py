"""A file that was checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One checked file. `problem` is None if the file is intact.

    `task` is the id of the task that recreates it, or None if no task has to.
    """

    path: str
    bytes: int
    problem: str | None
    task: str | None
