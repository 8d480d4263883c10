"""The study's workers, restarted when they end."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

import psutil
from support.harness import Lab

from chaos.processes import descendants

RESTART_S = 1.0


@dataclass
class Crew:
    """Workers by name. A worker that ended is started again, as systemd would."""

    lab: Lab
    names: tuple[str, ...]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    restarts: int = 0
    leave: threading.Event = field(default_factory=threading.Event)
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    thread: threading.Thread | None = None

    def start(self) -> None:
        """Start all of them and monitor them."""
        for name in self.names:
            self.running[name] = self.lab.worker("--name", name)
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        died: dict[str, float] = {}
        while not self.leave.wait(0.1):
            for name, process in list(self.running.items()):
                self._note(process)
                if process.poll() is None:
                    continue
                if time.monotonic() - died.setdefault(name, time.monotonic()) >= RESTART_S:
                    del died[name]
                    self.running[name] = self.lab.worker("--name", name)
                    self.restarts += 1

    def _note(self, process: subprocess.Popen[bytes]) -> None:
        for child in descendants(process.pid):
            self.seen[child.pid] = child

    def close(self, timeout_s: float = 40.0) -> list[int]:
        """Stop all of them; returns their exit codes."""
        self.leave.set()
        if self.thread is not None:
            self.thread.join(10)
        for process in self.running.values():
            self._note(process)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        return [process.wait(timeout_s) for process in self.running.values()]
