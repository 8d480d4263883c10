"""Take workers out of service, and back: files in the store, which outlive every process."""

from __future__ import annotations

import time

from jobs import atomic
from jobs.store import codec
from jobs.store.paths import StorePaths
from jobs.store.records import Number, Record


class DrainRecord(Record, frozen=True, kw_only=True):
    """A worker, or all workers of a host, are to take no further task.

    `after` says when a running task ends: step (now, with a checkpoint), task, or period (its
    evaluations too).
    """

    name: str
    after: str
    at: Number


def drain(store: StorePaths, name: str, after: str) -> None:
    """Let a host's workers, or one worker, take no further task; raises `NewerRecord`."""
    path = store.drain_path(name)
    codec.refuse_newer(DrainRecord, path)
    atomic.write_json(path, codec.encode(DrainRecord(name=name, after=after, at=time.time())))


def undrain(store: StorePaths, name: str) -> None:
    """Undo that; raises `NewerRecord`."""
    path = store.drain_path(name)
    codec.refuse_newer(DrainRecord, path)
    path.unlink(missing_ok=True)
