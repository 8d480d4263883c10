"""Heartbeats of workers, and a lenient reader of JSON files."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from jobs import atomic
from jobs.store import records
from jobs.store.paths import StorePaths
from workers.process import identity

WORKER_FRESH_S = 15.0
HEARTBEAT: records.FieldTypes = {
    "name": str,
    "host": str,
    "pid": int,
    "device": str,
    "task": (str, NoneType),
    "at": records.NUMBER,
}
LATER: records.FieldTypes = {"tasks": list, "slots": int, "process": (str, NoneType)}
"""Fields that older workers do not write."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The heartbeat of a worker, `age_s` seconds old.

    `tasks` are its tasks, up to `slots`; `task` is the first. `ended`: it ran on this machine and
    its process is gone.
    """

    name: str
    host: str
    pid: int
    device: str
    task: str | None
    age_s: float
    tasks: tuple[str, ...] = ()
    slots: int = 1
    ended: bool = False

    @property
    def fresh(self) -> bool:
        """Whether the worker counts as alive."""
        return self.age_s < WORKER_FRESH_S and not self.ended

    @property
    def label(self) -> str:
        """Name and device, and the slots in use if it has several."""
        slots = f", {len(self.tasks)} of {self.slots} slots" if self.slots > 1 else ""
        return f"{self.name} ({self.device}{slots})"


def read_heartbeats(store: Path, now: float | None = None) -> list[Heartbeat]:
    """All heartbeats in the store, stale ones included."""
    now = time.time() if now is None else now
    found = []
    folder = StorePaths(store).heartbeats_folder
    for name in atomic.list_names(folder):
        values = read_or_empty(folder / name, HEARTBEAT, LATER)
        if values:
            tasks = values.get("tasks", [values["task"]] if values["task"] else [])
            found.append(
                Heartbeat(
                    values["name"],
                    values["host"],
                    values["pid"],
                    values["device"],
                    values["task"],
                    now - values["at"],
                    tuple(map(str, tasks)),
                    values.get("slots", 1),
                    identity.has_ended(values.get("process")),
                )
            )
    return found


def read_or_empty(
    path: Path, needed: records.FieldTypes | None = None, known: records.FieldTypes | None = None
) -> dict[str, Any]:
    """Values of a JSON file; empty if it is missing or unreadable (it may be half written)."""
    with contextlib.suppress(OSError, ValueError):
        return records.read(path, needed, known) or {}
    return {}
