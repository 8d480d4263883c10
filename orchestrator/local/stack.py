"""The local stack: embedded Redis and workers, started if missing, stopped gracefully."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType

from jobs import atomic
from jobs.errors import BrokerUnreachable
from jobs.settings import Settings
from jobs.store import records
from jobs.store.paths import StorePaths
from orchestrator.local import daemon, embedded_redis
from orchestrator.local.daemon import DaemonProcess
from orchestrator.local.embedded_redis import EmbeddedRedis
from orchestrator.monitoring import heartbeats
from workers.devices import discovery

IDLE_EXIT = "30m"
GENTLE_S = 30.0


@dataclass(frozen=True, slots=True)
class LocalWorker:
    """A worker started here; `broker` identifies the address it listens to."""

    name: str
    device: str
    broker: str
    process: DaemonProcess


@dataclass(frozen=True, slots=True)
class Stack:
    """Processes of this machine for a store; `started` names those just started."""

    redis: EmbeddedRedis | None
    workers: tuple[LocalWorker, ...]
    started: tuple[str, ...] = ()

    def broker_url(self, settings: Settings) -> str:
        """Address of the named broker, else of the embedded one.

        Raises `BrokerUnreachable` if the embedded broker is needed and not running.
        """
        if settings.broker_url is not None:
            return settings.broker_url
        if self.redis is None:
            raise BrokerUnreachable("the embedded broker is not running. Start it with 'orch up'.")
        return self.redis.url


Command = Callable[[str, str, int], Sequence[str]]
"""The command line of a worker, given name, device and threads."""


def worker_command(name: str, device: str, threads: int, slots: int = 1) -> list[str]:
    """`orch worker` with the running Python."""
    return [
        sys.executable,
        "-m",
        "orchestrator.cli",
        "worker",
        "--name",
        name,
        "--device",
        device,
        "--threads",
        str(threads),
        "--slots",
        str(slots),
        "--idle-exit",
        IDLE_EXIT,
    ]


def ensure(
    settings: Settings,
    workers: int | None = None,
    device: str | None = None,
    command: Command = worker_command,
    cores: int | None = None,
    gpus: int | None = None,
) -> Stack:
    """Start what is missing: Redis if no broker is named, and local workers up to `workers`.

    `workers` None means one per GPU, else two on a CPU (one on a single core). Concurrent calls of
    several processes are serialised. The store must exist.
    """
    cores = discovery.available_cores() if cores is None else cores
    gpus = (0 if device == "cpu" else len(discovery.gpus())) if gpus is None else gpus
    with _locked(settings.store) as folder:
        stack = _with_broker(settings, folder, _read(folder))
        _write(folder, stack)
        mark = _mark(stack.broker_url(settings))
        ours = [worker for worker in stack.workers if worker.broker == mark]
        strangers = started_by_hand(settings.store, stack)
        wanted = default_workers(cores, gpus) if workers is None else workers
        threads = worker_threads(cores, wanted)
        for where in _missing_devices(
            [*(w.device for w in ours), *strangers], wanted, device, gpus
        ):
            fresh = _start_worker(settings, folder, stack, where, threads, command)
            said = f"worker {fresh.name} on {where}"
            stack = Stack(stack.redis, (*stack.workers, fresh), (*stack.started, said))
            _write(folder, stack)
        return stack


def look(settings: Settings) -> Stack:
    """Processes of this machine for the store; starts nothing."""
    return _read(_folder(settings.store))


def down(
    settings: Settings, gentle_s: float = GENTLE_S, tell: Callable[[str], None] = lambda line: None
) -> Stack:
    """Stop the workers, then Redis; returns what was running.

    Each gets SIGTERM, and SIGKILL after `gentle_s` seconds.
    """
    if not _folder(settings.store).exists():
        return Stack(None, ())
    with _locked(settings.store) as folder:
        found = _read(folder)
        if found.workers:
            tell(f"stopping {len(found.workers)} worker(s) after their current step")
        daemon.end([worker.process for worker in found.workers], gentle_s)
        if found.redis is not None:
            found.redis.stop(gentle_s)
        (folder / "stack.json").unlink(missing_ok=True)
    return found


def default_workers(cores: int, gpus: int) -> int:
    """One worker per GPU; without a GPU two, or one on a single core."""
    return gpus or min(2, cores)


def worker_threads(cores: int, workers: int) -> int:
    """Threads per worker: an equal part of the cores, at most half of them, at least one.

    Thus one worker and two workers compute the same numbers.
    """
    return max(1, cores // max(2, workers))


def _with_broker(settings: Settings, folder: Path, found: Stack) -> Stack:
    """The stack with an embedded broker that answers; unchanged if another broker is named."""
    if settings.broker_url is not None or (found.redis is not None and found.redis.answers()):
        return found
    if found.redis is not None:
        found.redis.stop(5.0)
    return Stack(
        embedded_redis.start(folder, embedded_redis.socket_path(settings.store)),
        found.workers,
        ("Redis",),
    )


def started_by_hand(store: Path, stack: Stack) -> list[str]:
    """Devices of living workers of this machine that the stack did not start."""
    known = {worker.process.pid for worker in stack.workers}
    return [
        sign.device
        for sign in heartbeats.read_heartbeats(store)
        if sign.host == host() and sign.fresh and sign.pid not in known
    ]


def _missing_devices(taken: Sequence[str], wanted: int, device: str | None, gpus: int) -> list[str]:
    """A device for each worker still to start, least used first."""
    places = [device] if device else [f"cuda:{index}" for index in range(gpus)] or ["cpu"]
    used = list(taken)
    chosen: list[str] = []
    while len(used) < wanted:
        where = min(places, key=used.count)
        used.append(where)
        chosen.append(where)
    return chosen


def _start_worker(
    settings: Settings, folder: Path, stack: Stack, device: str, threads: int, command: Command
) -> LocalWorker:
    taken = {worker.name for worker in stack.workers}
    number = next(n for n in range(1, len(taken) + 2) if f"{host()}-{n}" not in taken)
    name, broker_url = f"{host()}-{number}", stack.broker_url(settings)
    environment = os.environ | {"ORCH_STORE": str(settings.store), "ORCH_BROKER_URL": broker_url}
    started = daemon.start(
        command(name, device, threads), folder / f"worker-{number}.log", environment
    )
    return LocalWorker(name, device, _mark(broker_url), started)


def _mark(broker_url: str) -> str:
    """A hash that identifies a broker without storing an address with a password."""
    return hashlib.sha256(broker_url.encode()).hexdigest()[:12]


def host() -> str:
    """The host name that workers use."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"


def _folder(store: Path) -> Path:
    return StorePaths(store).stack_folder(host())


@contextlib.contextmanager
def _locked(store: Path) -> Iterator[Path]:
    """The folder of this machine in the store, locked by one process at a time."""
    folder = _folder(store)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a") as handle:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        yield folder


def _read(folder: Path) -> Stack:
    """The recorded processes that are still alive."""
    path = folder / "stack.json"
    state = records.read(path, known={"redis": (dict, NoneType), "workers": list}) or {}
    try:
        redis = (
            EmbeddedRedis(state["redis"]["socket"], DaemonProcess(**state["redis"]["process"]))
            if state.get("redis")
            else None
        )
        workers = [
            LocalWorker(**{**each, "process": DaemonProcess(**each["process"])})
            for each in state.get("workers", [])
        ]
    except (TypeError, KeyError) as error:
        raise records.damaged_file(path, f"{type(error).__name__}: {error}") from None
    alive = tuple(worker for worker in workers if worker.process.alive())
    return Stack(redis if redis is not None and redis.process.alive() else None, alive)


def _write(folder: Path, stack: Stack) -> None:
    atomic.write_json(
        folder / "stack.json",
        {
            "redis": asdict(stack.redis) if stack.redis else None,
            "workers": [asdict(worker) for worker in stack.workers],
        },
    )
