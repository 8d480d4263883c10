"""Heartbeats of workers, and a lenient reader of records."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from jobs import atomic
from jobs.errors import DamagedFile, NewerRecord
from jobs.store import codec
from jobs.store.fleet_slowdown import slowdown
from jobs.store.paths import StorePaths
from jobs.store.records import HeartbeatRecord, Record
from orchestrator import state_folder
from workers.process import identity

R = TypeVar("R", bound=Record)

WORKER_FRESH_S = 15.0
FORGOTTEN_S = 24 * 3600.0
"""A worker that has been silent for so long is no longer listed."""
WATCH_S = 2.5
"""A little longer than a worker takes from one heartbeat to the next."""
LOOK_S = 0.1

Stamp = tuple[float, float]
"""The time that a heartbeat states, and that of its file (Unix times, each by another clock)."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The heartbeat of a worker, `age_s` seconds old.

    `tasks` are its tasks, up to `slots`; `task` is the first. `ended`: it ran on this machine and
    its process is gone. `here`: it is a process of this machine, of the user `uid`. `loading`: it
    takes no task yet. `trouble`: why it takes none now, and `trouble_class` its failure class.
    `since`: when its tasks last changed (Unix time). `drained`: the drained host or worker.
    `gpu_memory_bytes`: 0 without a GPU. `known_keys`: see `jobs.spec.keys_digest`.
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
    here: bool = False
    uid: int = -1
    loading: bool = False
    trouble: str = ""
    uuid: str = ""
    version: str = ""
    since: float | None = None
    drained: str | None = None
    trouble_class: str = ""
    gpu_memory_bytes: int = 0
    known_keys: str = ""

    @property
    def fresh(self) -> bool:
        """Whether the worker counts as alive."""
        return self.age_s < WORKER_FRESH_S and not self.ended

    @property
    def silent(self) -> bool:
        """Whether the worker is no longer heard of, and not yet forgotten."""
        return not self.fresh and self.age_s < FORGOTTEN_S

    @property
    def label(self) -> str:
        """Name and device, the slots in use if it has several, and whether it is drained."""
        slots = f", {len(self.tasks)} of {self.slots} slots" if self.slots > 1 else ""
        return f"{self.name} ({self.device}{slots}{', drained' if self.drained else ''})"


def read_heartbeats(store: Path, now: float | None = None) -> list[Heartbeat]:
    """All heartbeats in the store, stale ones included.

    Their age is judged by change on this process's own clock. With `now` (Unix time) it is taken
    from the times that they state.
    """
    if now is None:
        return OBSERVER.read(store)
    return [_heartbeat(store, name, record, now - record.at) for name, record in _all(store)]


@dataclass(frozen=True, slots=True)
class Sight:
    """One state of a heartbeat: when it was first seen, and how old it was then.

    `doubt`: "clocks" if only one of its times is recent, "old" if none is; else empty.
    """

    state: Stamp
    since: float
    age_s: float
    doubt: str = ""


@dataclass(slots=True)
class Observer:
    """What one process has seen of heartbeats: clocks of other machines do not matter.

    A heartbeat is believed at first sight where its own time and that of its file are recent.
    Otherwise a clock is wrong or the worker is silent: it is watched for a moment.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall_clock: Callable[[], float] = time.time
    _seen: dict[Path, Sight] = field(default_factory=dict)

    def read(self, store: Path) -> list[Heartbeat]:
        """All heartbeats, after watching those in doubt for at most `WATCH_S`."""
        began, observed = self.clock(), self._look(store)
        deadline = began + WATCH_S * slowdown(len(observed))
        while _in_doubt(observed) and self.clock() < deadline:
            self.sleep(LOOK_S)
            observed = self._look(store)
        if any(doubt for _, doubt in observed):
            for path, sight in self._seen.items():
                if path.parent == StorePaths(store).heartbeats_folder and sight.doubt:
                    self._seen[path] = replace(sight, doubt="", since=self.clock())
            observed = self._look(store)
        return [beat for beat, _ in observed]

    def _look(self, store: Path) -> list[tuple[Heartbeat, str]]:
        """Each heartbeat, and why its age is uncertain (`Sight.doubt`)."""
        observed = []
        for name, record in _all(store):
            path = StorePaths(store).heartbeats_folder / name
            state = (float(record.at), _file_time(path))
            sight = self._seen.get(path)
            if sight is None:
                sight = self._first_sight(state)
            elif sight.state != state:
                sight = Sight(state, self.clock(), 0.0)
            self._seen[path] = sight
            age_s = sight.age_s + self.clock() - sight.since
            observed.append((_heartbeat(store, name, record, age_s), sight.doubt))
        return observed

    def _first_sight(self, state: Stamp) -> Sight:
        ages = [self.wall_clock() - at for at in state]
        recent = [abs(age_s) < WORKER_FRESH_S for age_s in ages]
        age_s = next((age_s for age_s in ages if age_s >= 0), 0.0)
        if all(recent):
            return Sight(state, self.clock(), age_s)
        doubt = "clocks" if any(recent) else "old"
        return Sight(state, self.clock(), max(WORKER_FRESH_S, age_s), doubt)


def _in_doubt(observed: list[tuple[Heartbeat, str]]) -> bool:
    """Whether to watch: old heartbeats are watched only if no worker's heartbeat looks fresh."""
    doubts = {doubt for beat, doubt in observed if doubt and beat.silent and not beat.ended}
    return "clocks" in doubts or ("old" in doubts and not any(beat.fresh for beat, _ in observed))


OBSERVER = Observer()


def _names(store: Path) -> list[str]:
    return atomic.list_names(StorePaths(store).heartbeats_folder)


def _all(store: Path) -> Iterator[tuple[str, HeartbeatRecord]]:
    for name in _names(store):
        if record := read_or_none(StorePaths(store).heartbeats_folder / name, HeartbeatRecord):
            yield name, record


def _heartbeat(store: Path, name: str, record: HeartbeatRecord, age_s: float) -> Heartbeat:
    tasks = ([record.task] if record.task else []) if record.tasks is None else record.tasks
    return Heartbeat(
        record.name,
        record.host,
        record.pid,
        record.device,
        record.task,
        age_s,
        tuple(tasks),
        record.slots,
        identity.has_ended(record.process),
        _is_here(record),
        _owner(StorePaths(store).heartbeats_folder / name),
        record.loading,
        record.trouble or "",
        record.uuid,
        record.version,
        record.since,
        record.drained,
        record.trouble_class,
        record.gpu_memory_bytes,
        record.known_keys,
    )


def _is_here(record: HeartbeatRecord) -> bool:
    """Whether the worker is one of this machine, whose name may have changed since."""
    known = record.process
    return identity.runs_here(known) if known else record.host == state_folder.host()


def _file_time(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _owner(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_uid
    return -1


def read_or_none(path: Path, kind: type[R]) -> R | None:
    """The record in a file; None if it is missing or unreadable (it may be half written)."""
    with contextlib.suppress(OSError, DamagedFile, NewerRecord):
        return codec.read(path, kind)
    return None


def newer(store: StorePaths, known: Collection[str] = ()) -> tuple[str, ...]:
    """What to say of heartbeats that only a newer orch can read; they are passed over.

    Those of the workers in `known` were read.
    """
    folder = store.heartbeats_folder
    unread = [name for name in _names(store.root) if name.removesuffix(".json") not in known]
    return codec.newer(HeartbeatRecord, [folder / name for name in unread])
