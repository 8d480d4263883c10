"""Debian's Redis as deploy/redis/setup.sh sets it up: TLS, and users with the least rights."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from support.command_lines import ROOT

SETUP = ROOT / "deploy" / "redis" / "setup.sh"


@dataclass(frozen=True)
class GuardedRedis:
    """A Redis that listens on loopback; `folder` holds what the setup has made."""

    folder: Path
    port: int

    def variables(self, user: str) -> dict[str, str]:
        """The environment of a user: worker, controller or flower."""
        return {
            "ORCH_BROKER_URL": f"rediss://orch-{user}@localhost:{self.port}/0",
            "ORCH_BROKER_CA": str(self.folder / "ca.pem"),
            "ORCH_BROKER_PASSWORD_FILE": str(self.folder / f"{user}.password"),
        }

    def password(self, user: str) -> str:
        """The password of a user."""
        return (self.folder / f"{user}.password").read_text().strip()

    def client(self, user: str) -> Any:
        """A connection of this user, without orch."""
        return redis.Redis(
            host="localhost",
            port=self.port,
            username=f"orch-{user}",
            password=self.password(user),
            ssl=True,
            ssl_ca_certs=str(self.folder / "ca.pem"),
        )


def set_up(folder: Path, *options: str) -> None:
    """Run the setup for this machine; skips by name where a program is missing."""
    for program in ("redis-server", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: redis-server, openssl)")
    done = subprocess.run(
        [str(SETUP), "--folder", str(folder), *options, "localhost"],
        capture_output=True,
        text=True,
    )
    if "too old" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[GuardedRedis]:
    """A Redis with the configuration in this folder, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    words = ["redis-server", str(folder / "redis.conf"), "--dir", str(folder), *options]
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen([*words, "--tls-port", str(port)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while not _answers(port):
            assert server.poll() is None, (folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "redis-server does not listen"
            time.sleep(0.02)
        yield GuardedRedis(folder, port)
    finally:
        server.terminate()
        server.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
