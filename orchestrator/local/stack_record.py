"""The record of the processes that were started on this machine for a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.errors import BrokerUnreachable, DamagedFile
from jobs.settings import Settings
from jobs.store import codec
from jobs.store.records import Record
from orchestrator import state_folder
from orchestrator.local import embedded_redis
from orchestrator.local.daemon import DaemonProcess
from orchestrator.local.embedded_redis import EmbeddedRedis

FILE = "stack.json"


@dataclass(frozen=True, slots=True)
class LocalWorker:
    """A worker started here; `broker` identifies the address it listens to.

    `environment` holds hashes of the variables that it started with; empty if unknown. What it
    writes to `log` begins after `log_start` bytes.
    """

    name: str
    device: str
    broker: str
    process: DaemonProcess
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    log: str = ""
    log_start: int = 0


class StackRecord(Record, frozen=True, kw_only=True):
    """The file of a machine's processes."""

    redis: dict[str, Any] | None = None
    workers: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Stack:
    """Processes of this machine for a store; `started` names those just started.

    `new_workers` are the workers among them.
    """

    redis: EmbeddedRedis | None
    workers: tuple[LocalWorker, ...]
    started: tuple[str, ...] = ()
    new_workers: tuple[LocalWorker, ...] = ()

    def broker_url(self, settings: Settings) -> str:
        """Address of the named broker, else of the embedded one.

        Raises `BrokerUnreachable` if the embedded broker is needed and not running.
        """
        if settings.broker_url is not None:
            return settings.broker_url
        if self.redis is None:
            raise BrokerUnreachable("the embedded broker does not run. Start it with 'orch up'.")
        return self.redis.url


def read(store: Path) -> Stack:
    """The recorded processes that are still alive, those that version 0.1.0 started included.

    Without a record a Redis is found by its socket. Raises `DamagedFile`.
    """
    stacks = [
        _read(state_folder.state_folder(store) / FILE),
        *(_read_old(folder) for folder in state_folder.old_folders(store)),
    ]
    redis = next((each.redis for each in stacks if each.redis is not None), None)
    if redis is None:
        redis = embedded_redis.running(embedded_redis.socket_path(store))
    workers = {worker.process: worker for each in reversed(stacks) for worker in each.workers}
    return Stack(redis, tuple(sorted(workers.values(), key=lambda worker: worker.name)))


def write(folder: Path, stack: Stack) -> None:
    """Record the processes of a stack."""
    record = StackRecord(
        redis=asdict(stack.redis) if stack.redis else None,
        workers=tuple(asdict(worker) for worker in stack.workers),
    )
    codec.refuse_newer(StackRecord, folder / FILE)
    atomic.write_json(folder / FILE, codec.encode(record))


def remove(store: Path) -> None:
    """Remove the record, and those of version 0.1.0 whose processes have ended."""
    (state_folder.state_folder(store) / FILE).unlink(missing_ok=True)
    for folder in state_folder.old_folders(store):
        if folder.name == state_folder.host() and _read_old(folder) == Stack(None, ()):
            (folder / FILE).unlink(missing_ok=True)


def _read_old(folder: Path) -> Stack:
    """What version 0.1.0 recorded in the store, under a host name that may have changed since.

    A process of another machine may have the same PID, so its command line must agree.
    """
    try:
        stack = _read(folder / FILE)
    except DamagedFile:
        if folder.name == state_folder.host():
            raise
        return Stack(None, ())
    redis = stack.redis
    return Stack(
        redis if redis is not None and redis.process.runs_for_us(redis.socket) else None,
        tuple(each for each in stack.workers if each.process.runs_for_us(each.name)),
    )


def _read(path: Path) -> Stack:
    state = codec.read(path, StackRecord) or StackRecord()
    try:
        redis = (
            EmbeddedRedis(state.redis["socket"], DaemonProcess(**state.redis["process"]))
            if state.redis
            else None
        )
        workers = [
            LocalWorker(**{**each, "process": DaemonProcess(**each["process"])})
            for each in state.workers
        ]
    except (TypeError, KeyError) as error:
        raise codec.damaged_file(path, f"{type(error).__name__}: {error}") from None
    alive = tuple(worker for worker in workers if worker.process.alive())
    return Stack(redis if redis is not None and redis.process.alive() else None, alive)
