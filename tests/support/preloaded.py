"""Workers that start in a tenth of a second: forked from a process that has loaded torch.

Loading torch takes 4 s of a core, and the end-to-end tests start some thirty workers. Here one
process loads it for all of them. A worker is a fork of it that runs `orch worker`; a fork of that
one waits until the worker starts its fork server, and becomes it. Both are made while there is a
single thread. All else is as in a worker that is started by hand: process group, environment,
output, parents, signals.

`python -m support.preloaded SOCKET` serves until the process ORCH_TEST_MAIN is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
FOLDER, MAIN = "ORCH_TEST_PRELOADED", "ORCH_TEST_MAIN"
LOADED = (
    "orchestrator.cli",
    "orchestrator.commands.worker",
    "workers.main",
    "models.entrypoint",
    "workers.process.child",
    "workers.process.child_main",
    "support.paced_epochs",
)
HIGH = 200
"""File descriptors from here on are used by nothing else."""
MOST_BYTES = 1 << 20


@dataclass
class Worker:
    """A forked worker, used like a `subprocess.Popen`; the server tells its exit code."""

    args: Sequence[str]
    line: socket.socket
    pid: int
    returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self.line.settimeout(timeout)
            try:
                said = self.line.recv(64)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0) from None
            self.returncode = int(said) if said else -signal.SIGKILL
            self.line.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal to one that runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to leave."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class Kind:
    """How a worker differs: its fork server is ready only after `loading_s`, its trainings wait
    before each epoch (see `support.paced_epochs`), and it runs on the host of the process `host`.
    """

    loading_s: float = 0.0
    pause_s: float = 0.0
    gate: str | None = None
    host: int | None = None


def start(words: Sequence[str], environment: dict[str, str], log: int, kind: Kind) -> Worker:
    """Run `orch` with these words in a fork; its output goes to the open file `log`."""
    line = _connected(Path(os.environ[FOLDER]))
    asked = {"words": list(words), "environment": environment, "folder": os.getcwd()}
    socket.send_fds(line, [json.dumps(asked | {"kind": asdict(kind)}).encode()], [log])
    line.settimeout(60)
    return Worker(words, line, int(line.recv(64)))


def serve_in(folder: Path) -> None:
    """Let workers of this process and of those that it starts be forked, until it ends."""
    folder.mkdir(parents=True)
    os.environ[FOLDER], os.environ[MAIN] = str(folder), str(os.getpid())


def _connected(folder: Path) -> socket.socket:
    """A line to the server, which the first test that needs it starts."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "socket").exists():
            _start_server(folder)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect(str(folder / "socket"))
    return line


def _start_server(folder: Path) -> None:
    with (folder / "log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "support.preloaded", str(folder / "socket")],
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while not (folder / "socket").exists():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)


@dataclass
class Server:
    """Forks workers and tells their exit codes."""

    path: Path
    main: psutil.Process
    lines: dict[int, socket.socket] = field(default_factory=dict)

    def serve(self) -> dict[str, Any] | None:
        """Until all tests are over; in a fork, returns what that one is to run."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        draft = self.path.with_suffix(".draft")
        listener.bind(str(draft))
        listener.listen(64)
        listener.settimeout(0.05)
        draft.rename(self.path)
        while self.main.is_running():
            try:
                line, _ = listener.accept()
            except TimeoutError:
                self._tell_ends()
                continue
            given, (log,), *_ = socket.recv_fds(line, MOST_BYTES, 1)
            pid = os.fork()
            if pid == 0:
                return {**json.loads(given), "log": log, "close": [listener, line]}
            self.lines[pid] = line
            line.send(str(pid).encode())
            os.close(log)
        return None

    def _tell_ends(self) -> None:
        while self.lines:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            line = self.lines.pop(pid)
            with contextlib.suppress(OSError):  # the test is over
                line.send(str(os.waitstatus_to_exitcode(status)).encode())
            line.close()


def become_worker(asked: dict[str, Any], lines: Sequence[socket.socket]) -> int:
    """Run `orch` in this process, whose fork server waits beside it; its exit code."""
    for each in (*asked["close"], *lines):
        each.close()
    os.setsid()
    for number in (1, 2):
        os.dup2(asked["log"], number)
    os.close(asked["log"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    kind = Kind(**asked["kind"])
    if kind.host is not None and (guest := _enter(kind.host)):
        return os.waitstatus_to_exitcode(os.waitpid(guest, 0)[1])
    os.chdir(asked["folder"])
    sys.path[:] = [each for each in sys.path if each != str(ROOT / "tests")]
    sys.modules["__main__"] = types.ModuleType("__main__")  # others would run this one again
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = os.fork()
    if server == 0:
        ours.close()
        _wait_to_serve(theirs, kind)
    theirs.close()
    _start_fork_servers_in(server, ours)
    from orchestrator import cli

    sys.argv = ["orch", *asked["words"]]
    return cli.main()


def _enter(host: int) -> int:
    """Go on in a fork with the namespaces of that process, as nsenter does; 0 in the fork."""
    names = ("net", "uts", "pid", "mnt")
    places = [os.open(f"/proc/{host}/ns/{name}", os.O_RDONLY) for name in names]
    for place in places:
        if ctypes.CDLL(None, use_errno=True).setns(place, 0):
            raise OSError(ctypes.get_errno(), f"the host of process {host} cannot be entered")
        os.close(place)
    return os.fork()


def _start_fork_servers_in(server: int, line: socket.socket) -> None:
    """Let multiprocessing start its fork server in the process that waits."""
    from multiprocessing import util

    spawn = util.spawnv_passfds

    def started(path: Any, args: Sequence[str], fds: Sequence[int]) -> int:
        program = args[-1]
        if line.fileno() == -1 or "multiprocessing.forkserver" not in program:
            return int(spawn(path, args, fds))
        given = {"program": program, "fds": list(fds), "environment": dict(os.environ)}
        socket.send_fds(line, [json.dumps(given).encode()], list(fds))
        line.close()
        return server

    util.spawnv_passfds = started  # type: ignore[assignment]


def _wait_to_serve(line: socket.socket, kind: Kind) -> None:
    """Become a fork server once the worker starts it; end with the worker that never does."""
    high = fcntl.fcntl(line.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH)
    line.close()
    line = socket.socket(fileno=high)
    given, fds, *_ = socket.recv_fds(line, MOST_BYTES, 8)
    if not given:
        os._exit(0)
    asked = json.loads(given)
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, HIGH) for each in fds]
    for each in fds:
        os.close(each)
    for each, number in zip(moved, asked["fds"], strict=True):
        os.dup2(each, number)
        os.close(each)
    line.close()
    os.environ.clear()
    os.environ.update(asked["environment"])
    from support import paced_epochs

    paced_epochs.pace(kind.pause_s, kind.gate)
    importlib.import_module("workers.process.preload")
    time.sleep(kind.loading_s)
    exec(asked["program"], {"__name__": "__main__"})
    os._exit(0)


def main() -> int:
    """Load torch and serve."""
    for name in LOADED:
        importlib.import_module(name)
    server = Server(Path(sys.argv[1]), psutil.Process(int(os.environ[MAIN])))
    gc.collect()
    gc.freeze()
    asked = server.serve()
    return 0 if asked is None else become_worker(asked, list(server.lines.values()))


if __name__ == "__main__":
    sys.exit(main())
