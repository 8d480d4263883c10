"""One copy of torch in memory for all workers of a supervisor.

The supervisor imports once what children need, and never uses it. Between the fork and the exec of
each worker it forks a second time (`leave_fork_server`): that process waits with all imports, whose
memory the kernel shares, and becomes the worker's fork server (`adopted`). Like an ordinary fork
server it is the worker's child, and ends with the worker. The worker is a new program without
torch. A fork server that dies is replaced by an ordinary one, which imports
again.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker, util
from pathlib import Path
from typing import Any

from jobs.task import CHILD_ENTRY
from workers.process import parent_death

log = logging.getLogger("orch.supervisor")

VARIABLE = "ORCH_FORK_SERVER"
"""The file descriptor on which a worker finds the process that waits to be its fork server."""
MODULES = (CHILD_ENTRY.partition(":")[0], "workers.process.child", "workers.process.child_main")
FIRST_FREE = 200
"""Descriptors from here on are not among those that multiprocessing names."""
MAX_BYTES = 1 << 20

Stamps = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class SharedImports:
    """What this process has imported for fork servers: the stamp of each file."""

    stamps: Stamps

    def current(self) -> bool:
        """Whether the files are still those that were imported; an upgrade replaces them."""
        return stamps(self.stamps) == self.stamps


def load(environment: Mapping[str, str], modules: Sequence[str] = MODULES) -> SharedImports | None:
    """Import what children need, in this process; None, and a warning, where that fails.

    `environment` is what libraries read while they are imported, such as OMP_NUM_THREADS. What
    differs between workers must be read later: CUDA_VISIBLE_DEVICES is, when CUDA is first used.
    Workers that share nothing load torch themselves, and say what is wrong.
    """
    os.environ.update(environment)
    try:
        for name in modules:
            importlib.import_module(name)
    except Exception as error:
        log.warning("each worker loads torch itself: %s: %s", type(error).__name__, error)
        return None
    gc.collect()
    gc.freeze()  # the collector would write to every object, and so copy the shared pages
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return SharedImports(stamps(filter(None, files)))


def leave_fork_server(ours: int, theirs: int) -> None:
    """Fork a process that waits to be the fork server of the program that this one becomes.

    For the time between fork and exec. `ours` and `theirs` are the ends of a socket pair.
    """
    if os.fork() == 0:
        try:
            os.close(ours)
            _wait_to_serve(theirs)
        finally:
            os._exit(1)


@contextlib.contextmanager
def adopted() -> Iterator[None]:
    """Within the block the fork server that is started is the one that waits, if one does."""
    number = os.environ.pop(VARIABLE, None)
    if number is None:
        yield
        return
    resource_tracker.ensure_running()  # a program of its own
    start = util.spawnv_passfds
    with socket.socket(fileno=int(number)) as line:
        line.set_inheritable(False)

        def hand_over(path: Any, words: Sequence[str], handles: Sequence[int]) -> int:
            return _hand_over(line, words[-1], handles) or int(start(path, words, handles))

        util.spawnv_passfds = hand_over  # type: ignore[assignment]
        try:
            yield
        finally:
            util.spawnv_passfds = start


def _hand_over(line: socket.socket, program: str, handles: Sequence[int]) -> int:
    """Let the process that waits run a fork server's program; its PID, or 0 if it is gone."""
    mask = os.umask(0o077)
    os.umask(mask)
    order = {
        "program": program,
        "handles": list(handles),
        "environment": dict(os.environ),
        "umask": mask,
    }
    try:
        pid = int(line.recv(64) or b"0")
        socket.send_fds(line, [json.dumps(order).encode()], list(handles))
        return pid
    except (OSError, ValueError):
        return 0


def _wait_to_serve(theirs: int) -> None:
    """Become a fork server once the worker asks for it; end with a worker that never does."""
    parent_death.die_with_parent()
    for number in {*range(1, signal.NSIG)} & signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for meant_for_the_worker in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(meant_for_the_worker, signal.SIG_IGN)
    logging.root.handlers.clear()  # those of the supervisor
    high = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    os.closerange(3, high)
    os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
    with socket.socket(fileno=high) as line:
        line.send(str(os.getpid()).encode())
        order, handles, *_ = socket.recv_fds(line, MAX_BYTES, 8)
    if order:
        _serve(json.loads(order), handles)


def _serve(order: dict[str, Any], handles: Sequence[int]) -> None:
    """Run the program of a fork server, which names these descriptors by other numbers."""
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for each in handles]
    for each in handles:
        os.close(each)
    for each, number in zip(moved, order["handles"], strict=True):
        os.dup2(each, number)
        os.close(each)
    os.umask(order["umask"])
    os.environ.clear()
    os.environ.update(order["environment"])
    exec(order["program"], {"__name__": "__main__"})


def stamps(files: Iterable[str]) -> Stamps:
    """Time and size of each file; one that is gone has none."""
    stamped = {}
    for name in files:
        with contextlib.suppress(OSError):
            status = Path(name).stat()
            stamped[name] = (status.st_mtime_ns, status.st_size)
    return stamped
