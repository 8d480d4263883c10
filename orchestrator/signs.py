"""The workers' signs of life, and what they last said of their tasks."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from jobs import files, record

WORKER_FRESH_S = 15.0
SIGN: record.Kinds = {
    "name": str, "host": str, "pid": int, "device": str, "task": (str, NoneType), "at": record.NUMBER,
}


@dataclass(frozen=True, slots=True)
class Sign:
    """A worker as it last signed: `task` is what it works on, `age_s` how long ago that was."""

    name: str
    host: str
    pid: int
    device: str
    task: str | None
    age_s: float

    @property
    def fresh(self) -> bool:
        """Whether the worker can be taken to be alive."""
        return self.age_s < WORKER_FRESH_S


def read(store: Path, now: float | None = None) -> list[Sign]:
    """All signs in the store, stale ones too."""
    now = time.time() if now is None else now
    found = []
    for name in files.names(store / "workers"):
        values = read_quietly(store / "workers" / name, SIGN)
        if values:
            found.append(Sign(values["name"], values["host"], values["pid"], values["device"], values["task"],
                              now - values["at"]))
    return found


def read_quietly(path: Path, needed: record.Kinds | None = None, known: record.Kinds | None = None) -> dict[str, Any]:
    """A JSON file's values; empty when it is missing or cannot be read, as what others write while we look may be."""
    with contextlib.suppress(OSError, ValueError):
        return record.read(path, needed, known) or {}
    return {}
