"""Every worker of a store: device, tasks, last heard, what hinders it, whether it is drained."""

from __future__ import annotations

from dataclasses import dataclass

from jobs import atomic
from jobs.errors import RequestError
from jobs.spec import keys_digest
from jobs.store.store import Store
from jobs.versions import numbers, version_of
from orchestrator.monitoring.heartbeats import Heartbeat, read_heartbeats

MAX_NAMED = 20
"""How many names an error message lists."""


class UnknownWorker(RequestError):
    """A name that no worker and no host has."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker; `state` is working, idle, loading, paused, silent or ended.

    `since` (Unix time) is when its tasks last changed. `paused` says why it takes no task,
    `pause_class` is the failure class of that, and `drained` says which host or worker was drained.
    They are None otherwise. `outdated`: it is older than this orch, and takes no task of a run that
    has settings which it does not know.
    """

    name: str
    host: str
    device: str
    uuid: str
    state: str
    tasks: tuple[str, ...]
    since: float | None
    version: str
    last_heard_s: float
    paused: str | None
    drained: str | None
    pause_class: str | None = None
    gpu_memory_bytes: int = 0
    outdated: bool = False


def list_workers(store: Store) -> list[WorkerState]:
    """The workers that are alive, or silent for less than a day, by name."""
    beats = [beat for beat in read_heartbeats(store.root) if beat.fresh or beat.silent]
    return sorted((state_of(beat) for beat in beats), key=lambda each: each.name)


def called(store: Store, name: str) -> list[str]:
    """The workers of the store that have this name, or whose host has."""
    return [each.name for each in list_workers(store) if name in (each.name, each.host)]


def require_known(store: Store, name: str) -> None:
    """Raise `UnknownWorker` unless a worker of the store, or its host, has this name."""
    beats = read_heartbeats(store.root)
    if any(name in (beat.name, beat.host) for beat in beats):
        return
    known = sorted({each for beat in beats for each in (beat.host, beat.name)})
    raise UnknownWorker(
        f"no worker and no host is called '{name[:100]}'. "
        f"Known: {', '.join(known[:MAX_NAMED]) or 'none'}. See: orch workers"
    )


def require_drained(store: Store, name: str) -> None:
    """Raise `UnknownWorker` unless this host or worker was drained."""
    drained = [each.removesuffix(".json") for each in atomic.list_names(store.drains_folder)]
    if name not in drained:
        raise UnknownWorker(
            f"'{name[:100]}' is not drained. Drained: {', '.join(drained[:MAX_NAMED]) or 'none'}."
        )


def state_of(beat: Heartbeat) -> WorkerState:
    """What the heartbeat of a worker says of it."""
    if not beat.fresh:
        state = "ended" if beat.ended else "silent"
    elif beat.loading:
        state = "loading"
    elif beat.tasks:
        state = "working"
    else:
        state = "paused" if beat.trouble else "idle"
    return WorkerState(
        beat.name,
        beat.host,
        beat.device,
        beat.uuid,
        state,
        beat.tasks,
        beat.since,
        beat.version,
        beat.age_s,
        beat.trouble or None,
        beat.drained,
        beat.trouble_class or None,
        beat.gpu_memory_bytes,
        is_outdated(beat),
    )


def is_outdated(beat: Heartbeat) -> bool:
    """Whether a worker is older than this orch and knows other keys of a specification."""
    if beat.known_keys == keys_digest.digest():
        return False
    return numbers(beat.version) <= numbers(version_of("orch"))
