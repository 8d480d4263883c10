"""The local stack: embedded Redis and workers, started if missing, stopped gracefully."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from jobs.settings import BROKER_FILES, Settings
from orchestrator import own_packages, state_folder
from orchestrator.local import daemon, embedded_redis, environment, stack_record
from orchestrator.local.stack_record import LocalWorker as LocalWorker
from orchestrator.local.stack_record import Stack as Stack
from orchestrator.monitoring import heartbeats
from orchestrator.state_folder import host as host
from workers.devices import discovery, room

IDLE_EXIT = "30m"
GENTLE_S = 30.0


Command = Callable[[str, str, int], Sequence[str]]
"""The command line of a worker, given name, device and threads."""


def worker_command(name: str, device: str, threads: int, slots: int = 1) -> list[str]:
    """`orch worker` with the running Python."""
    return [
        sys.executable,
        "-P",
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
    several processes are serialised. The store must exist. Raises `DeviceTaken` for more workers
    than GPUs.
    """
    cores = discovery.available_cores() if cores is None else cores
    gpus = (0 if device == "cpu" else len(discovery.gpus())) if gpus is None else gpus
    wanted = default_workers(cores, gpus) if workers is None else workers
    room.require_room(wanted, device, [str(index) for index in range(gpus)])
    with state_folder.locked(settings.store) as folder:
        stack = _with_broker(settings, folder, stack_record.read(settings.store))
        stack_record.write(folder, stack)
        if wanted:
            stack = _restart_outdated(settings, folder, stack)
        threads = worker_threads(cores, wanted)
        ours = _listening(settings, stack)
        strangers = started_by_hand(settings, stack)
        for where in _missing_devices(
            [*(w.device for w in ours), *strangers], wanted, device, gpus
        ):
            name = _free_name(settings.store, stack)
            words = command(name, where, threads)
            stack = _start_worker(settings, folder, stack, name, where, words)
        return stack


def look(settings: Settings) -> Stack:
    """Processes of this machine for the store; starts nothing."""
    return stack_record.read(settings.store)


def down(
    settings: Settings, gentle_s: float = GENTLE_S, tell: Callable[[str], None] = lambda line: None
) -> Stack:
    """Stop the workers, then Redis; returns what was running.

    Each gets SIGTERM, and SIGKILL after `gentle_s` seconds.
    """
    if look(settings) == Stack(None, ()):
        return Stack(None, ())
    with state_folder.locked(settings.store):
        stack = look(settings)
        if stack.workers:
            tell(f"stopping {len(stack.workers)} worker(s) after their current step")
        daemon.end([worker.process for worker in stack.workers], gentle_s)
        if stack.redis is not None:
            stack.redis.stop(gentle_s)
        stack_record.remove(settings.store)
    return stack


def default_workers(cores: int, gpus: int) -> int:
    """One worker per GPU; without a GPU two, or one on a single core."""
    return gpus or min(2, cores)


def worker_threads(cores: int, workers: int) -> int:
    """Threads per worker: an equal part of the cores, at most half of them, at least one.

    Thus one worker and two workers compute the same numbers.
    """
    return max(1, cores // max(2, workers))


def _with_broker(settings: Settings, folder: Path, stack: Stack) -> Stack:
    """The stack with an embedded broker that answers; unchanged if another broker is named."""
    if settings.broker_url is not None or (stack.redis is not None and stack.redis.answers()):
        return stack
    if stack.redis is not None:
        stack.redis.stop(5.0)
    path = embedded_redis.socket_path(settings.store)
    if (answering := embedded_redis.running(path)) is not None:
        return Stack(answering, stack.workers)
    return Stack(embedded_redis.start(folder, path), stack.workers, ("Redis",))


def _listening(settings: Settings, stack: Stack) -> list[LocalWorker]:
    """The local workers that listen to the broker of these settings."""
    mark = _mark(stack.broker_url(settings))
    return [worker for worker in stack.workers if worker.broker == mark]


def outdated(settings: Settings, stack: Stack) -> dict[LocalWorker, str]:
    """Local workers whose environment differs from this command's, and the variables' names."""
    if settings.broker_url is None and stack.redis is None:
        return {}
    here = environment.environment_of(settings)
    return {
        worker: differing
        for worker in _listening(settings, stack)
        if (differing := environment.difference(worker.environment, here))
    }


def _restart_outdated(settings: Settings, folder: Path, stack: Stack) -> Stack:
    """The stack with workers whose environment differs stopped and started again, as they were.

    They stop between two steps and keep a checkpoint.
    """
    ending = outdated(settings, stack)
    words = {worker: worker.process.command_line() for worker in ending}
    daemon.end([worker.process for worker in ending], GENTLE_S)
    kept = tuple(worker for worker in stack.workers if worker not in ending)
    stack = replace(stack, workers=kept)
    stack_record.write(folder, stack)
    for worker, reason in ending.items():
        if words[worker]:
            again = [sys.executable, *words[worker][1:]]
            stack = _start_worker(
                settings, folder, stack, worker.name, worker.device, again, reason
            )
    return stack


def started_by_hand(settings: Settings, stack: Stack) -> list[str]:
    """Devices of living workers of this machine that the stack did not start.

    The embedded broker is open to its user alone, so workers of others do not count there.
    """
    known = {worker.process.pid for worker in stack.workers}
    return [
        sign.device
        for sign in heartbeats.read_heartbeats(settings.store)
        if sign.here
        and sign.fresh
        and sign.pid not in known
        and (settings.broker_url is not None or sign.uid == os.getuid())
    ]


def _missing_devices(taken: Sequence[str], wanted: int, device: str | None, gpus: int) -> list[str]:
    """A device for each worker still to start, least used first: one worker for each GPU."""
    places = [device] if device else [f"cuda:{index}" for index in range(gpus)] or ["cpu"]
    used = list(taken)
    chosen: list[str] = []
    while len(used) < wanted:
        where = min(places, key=used.count)
        used.append(where)
        chosen.append(where)
    return chosen


def _start_worker(
    settings: Settings,
    folder: Path,
    stack: Stack,
    name: str,
    device: str,
    words: Sequence[str],
    reason: str = "",
) -> Stack:
    """The stack with one more worker, recorded; `reason` says why an outdated one was stopped."""
    broker_url = stack.broker_url(settings)
    variables = os.environ | {"ORCH_STORE": str(settings.store), "ORCH_BROKER_URL": broker_url}
    for variable in ("ORCH_WEIGHTS_DIR", *BROKER_FILES):  # those of the broker are in its address
        variables.pop(variable, None)
    if settings.weights_dir is not None:
        variables["ORCH_WEIGHTS_DIR"] = str(settings.weights_dir)
    own_packages.protect(variables)
    log = folder / f"{name}.log"
    log_start = log.stat().st_size if log.exists() else 0
    process = daemon.start(words, log, variables)
    known = environment.environment_of(settings)
    fresh = LocalWorker(name, device, _mark(broker_url), process, known, str(log), log_start)
    line = f"worker {name} on {device}"
    stack = replace(
        stack,
        workers=(*stack.workers, fresh),
        started=(*stack.started, f"{line} (again: {reason})" if reason else line),
        new_workers=(*stack.new_workers, fresh),
    )
    stack_record.write(folder, stack)
    return stack


def _free_name(store: Path, stack: Stack) -> str:
    """A name that no living worker of the store has; it names the user beside the store's owner."""
    prefix = state_folder.host()
    with contextlib.suppress(OSError):
        if store.stat().st_uid != os.getuid():
            prefix = f"{prefix}-u{os.getuid()}"
    alive = {sign.name for sign in heartbeats.read_heartbeats(store) if sign.fresh}
    taken = alive | {worker.name for worker in stack.workers}
    return next(name for n in itertools.count(1) if (name := f"{prefix}-{n}") not in taken)


def _mark(broker_url: str) -> str:
    """A hash that identifies a broker without storing an address with a password."""
    return hashlib.sha256(broker_url.encode()).hexdigest()[:12]
