"""The embedded Redis of a study's store, which can be killed and started again empty."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from support.harness import Lab

from orchestrator.local import embedded_redis

UP = ("up", "--workers", "0")


@dataclass
class Broker:
    """The Redis that `orch up` starts when no broker is named. It keeps nothing on disk."""

    lab: Lab

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return embedded_redis.socket_path(self.lab.store.root)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis+socket://{self.socket}"

    def start(self, timeout_s: float = 60.0) -> None:
        """Start it empty, unless a worker that was restarted has done so; again while the disk is
        full.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.lab.orch(*UP)
                return self.wait(timeout_s)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def wait(self, timeout_s: float = 60.0) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                if self.client().ping():
                    return
            time.sleep(0.05)
        raise RuntimeError("the study's Redis does not answer")

    def client(self) -> Any:
        """A connection for sending invalid messages and changing settings."""
        import redis

        return redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=5, decode_responses=True
        )

    def process(self) -> psutil.Process:
        """The server's process; raises `RuntimeError` if none listens."""
        found = embedded_redis.listener(self.socket)
        if found is None:
            raise RuntimeError("nobody listens on the socket of the study's Redis")
        return psutil.Process(found.pid)

    def servers(self) -> list[int]:
        """The PIDs of all servers that were started for this socket: one, unless it was lost."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if str(self.socket) in " ".join(words) and "redis-server" in words[0]:
                found.append(process.pid)
        return found

    def kill(self) -> None:
        """Kill it; all that it held is lost."""
        process = self.process()
        process.kill()
        psutil.wait_procs([process], timeout=10)

    def close(self) -> None:
        """Kill it, and remove its socket."""
        with contextlib.suppress(RuntimeError, psutil.Error):
            self.process().resume()
            self.kill()
        self.socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.socket.parent.rmdir()
