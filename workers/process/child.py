"""Execute a task in its own process: watched, and stopped gracefully.

Each task runs in a fresh fork of a server that has loaded torch but never used it. The child sends
its messages as JSON over a pipe. A child that loses its worker ends immediately. One that hangs or
must stop is ended by the worker.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from jobs import errors
from jobs.task import CHILD_ENTRY, TaskRequest
from workers.lease_expiry import TTL_S
from workers.process import shared_imports
from workers.process.child_main import ORPHANED, Message, child_main

POLL_S = 0.25
HEARTBEAT_S = 1.0
STALL_S = 300.0
GRACE_S = 20.0
DYING_S = 0.2
"""Seconds in which a fork server that has closed its connections has ended."""

_COUNTING = threading.Lock()
"""Starting a child makes multiprocessing read all exit codes; each is readable only once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds.

    `stall_s`: without a message, before a child counts as hung. `grace_s`: between the request to
    stop and ending the child. `away_s`: without a heartbeat of its worker, before a child ends
    itself.
    """

    stall_s: float = STALL_S
    grace_s: float = GRACE_S
    away_s: float = TTL_S


class Stalled(errors.WorkError):
    """The child sent no message for too long."""

    failure = "stalled"
    retry = True


FAILURES: dict[str, type[errors.OrchError]] = {
    kind.__name__: kind
    for kind in (
        *errors.WorkError.__subclasses__(),
        *errors.OutOfReach.__subclasses__(),
        *errors.RequestError.__subclasses__(),
        errors.OrchError,
    )
}


def start_fork_server() -> None:
    """Start the fork server and preload the imports of children, so that the first task need not
    wait.

    Call it from a thread that lives as long as this process: the fork server dies with that thread
    (see `workers.process.parent_death`). The imports take seconds, or a minute from a slow disk;
    `warm` waits for them.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # the current folder may hold another `models`
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["workers.process.preload", CHILD_ENTRY.partition(":")[0], __name__, child_main.__module__]
    )
    from multiprocessing import forkserver

    with shared_imports.adopted():
        forkserver.ensure_running()


def warm(leave: threading.Event, entry: str = CHILD_ENTRY) -> bool:
    """Wait until a child can begin at once; False if `leave` was set before.

    Until then starting a child blocks, and no lease is renewed meanwhile. Raises `CannotLoad` where
    children cannot work: such a worker would take task after task from others.
    """
    said: list[str] = []
    beside = threading.Thread(target=lambda: said.append(_first_child(entry)), daemon=True)
    beside.start()
    while beside.is_alive() and not leave.is_set():
        beside.join(POLL_S / 10)
    if leave.is_set():
        return False
    if wrong := said[0] if said else "a child process cannot be started":
        raise errors.CannotLoad(
            f"cannot load the packages that tasks need: {wrong}. See 'orch doctor'."
        )
    return True


def _first_child(entry: str) -> str:
    """Import in a child what all children need; the error, or an empty text."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_import, args=(theirs, entry.partition(":")[0]))
    try:
        _start(process)
        theirs.close()
        said = ours.recv_bytes().decode()
        _exit_code(process, 5)
        return said
    except (OSError, EOFError):
        return "the process that loads them died"
    finally:
        ours.close()


def _import(pipe: Connection, module: str) -> None:
    """The body of the first child."""
    try:
        importlib.import_module(module)
        pipe.send_bytes(b"")
    except BaseException as error:
        pipe.send_bytes(
            f"{type(error).__name__}: {' '.join(str(error).split())[:300].rstrip('.')}".encode()
        )


def run(
    request: TaskRequest,
    log: Path,
    on_message: Callable[[Message], None],
    should_stop: Callable[[], bool],
    still_mine: Callable[[], bool],
    limits: Limits | None = None,
    entry: str = CHILD_ENTRY,
) -> Message:
    """Execute a request in a child and return its task result.

    `on_message` gets each message. `still_mine` is called several times a second and ends the child
    when False. Raises the child's own error, `Stopped`, `LeaseLost`, `Stalled`, or `WorkerLost`
    when it died without a message.
    """
    context = multiprocessing.get_context("forkserver")
    limits = limits or Limits()
    ours, theirs = context.Pipe(duplex=False)
    felt, pulse = context.Pipe(duplex=False)
    given = (theirs, felt, limits.away_s, entry, request.as_dict(), str(log))
    process = context.Process(target=child_main, args=given, name=request.task)
    _start(process)
    theirs.close()
    felt.close()
    try:
        return _attend(process, ours, on_message, should_stop, _Alive(still_mine, pulse), limits)
    finally:
        if not wait([process.sentinel], 0):
            process.kill()
        _exit_code(process)
        ours.close()
        pulse.close()


def _start(process: Any) -> None:
    """Start a child; of a fork server that has died just now multiprocessing starts another."""
    with _COUNTING, _without_main():
        try:
            process.start()
        except (EOFError, ConnectionError):
            time.sleep(DYING_S)
            process.start()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module: multiprocessing would run it again in the child, for nothing."""
    hidden = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = hidden


class _Alive:
    """Checks the lease and sends the child a heartbeat: a frozen worker sends none."""

    def __init__(self, still_mine: Callable[[], bool], pulse: Connection) -> None:
        self.still_mine, self.pulse, self.last = still_mine, pulse, float("-inf")

    def __call__(self) -> bool:
        mine = self.still_mine()
        if mine and time.monotonic() - self.last >= HEARTBEAT_S:
            self.last = time.monotonic()
            with contextlib.suppress(OSError):
                self.pulse.send_bytes(b".")
        return mine


def _attend(
    process: Any,
    pipe: Connection,
    on_message: Callable[[Message], None],
    should_stop: Callable[[], bool],
    still_mine: Callable[[], bool],
    limits: Limits,
) -> Message:
    last_word = time.monotonic()
    told_to_stop: float | None = None
    listens = False
    while True:
        if pipe in wait([pipe], POLL_S):
            try:
                message = json.loads(pipe.recv_bytes())
            except (EOFError, OSError):
                raise _death(_exit_code(process, 5)) from None
            last_word = time.monotonic()
            if "result" in message:
                return dict(message["result"])
            if "error" in message:
                raise FAILURES.get(message["error"], errors.OrchError)(message["message"])
            if "listens" in message:
                listens = True
            else:
                on_message(message)
        if not still_mine():
            raise errors.LeaseLost("another worker holds the lease. The child was killed.")
        if time.monotonic() - last_word > limits.stall_s:
            raise Stalled(f"the child sent no message for {limits.stall_s:.0f} s and was killed.")
        if told_to_stop is None and should_stop():
            told_to_stop = time.monotonic()
        if told_to_stop is not None and listens:
            # Not earlier: a child without a handler would die of the signal.
            listens = False
            process.terminate()
        if told_to_stop is not None and time.monotonic() - told_to_stop > limits.grace_s:
            raise errors.Stopped(
                f"the child did not stop within {limits.grace_s:.0f} s and was killed."
            )


def _exit_code(process: Any, patience_s: float | None = None) -> int | None:
    """Exit code of a child, waited for; None if it has not ended."""
    wait([process.sentinel], patience_s)
    with _COUNTING:
        process.join(0)
        code: int | None = process.exitcode
        return code


def _death(exit_code: int | None) -> errors.WorkError:
    """The error for a child that ended without a last message."""
    if exit_code == ORPHANED:
        return errors.LeaseLost("the worker sent no heartbeat, so the child ended itself.")
    return errors.WorkerLost(_describe_exit(exit_code))


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = (
            signal.Signals(-exit_code).name
            if -exit_code in set(signal.Signals)
            else str(-exit_code)
        )
        hint = " (by a user, or by the kernel when out of memory)" if name == "SIGKILL" else ""
        return f"the child was killed by {name}{hint}."
    return f"the child ended without a message (exit code {exit_code})."
