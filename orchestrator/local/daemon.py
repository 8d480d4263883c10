"""Processes that outlive the command that started them, identified by PID and start time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

KILL_S = 2.0
BEGIN_S = 2.0
SAME_S = 2.5
"""Start times of one process differ by a second where the clock was set meanwhile."""
LAST_BYTES = 4000


@dataclass(frozen=True, slots=True)
class DaemonProcess:
    """A process; `born` (Unix time) detects a reused PID."""

    pid: int
    born: float

    def alive(self) -> bool:
        """Whether it is running; false for a zombie and for a reused PID."""
        try:
            running = psutil.Process(self.pid)
            return (
                abs(running.create_time() - self.born) < SAME_S
                and running.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def command_line(self) -> list[str]:
        """Its command line; empty once it has ended."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).cmdline() if self.alive() else []
        return []

    def runs_for_us(self, word: str) -> bool:
        """Whether it is this user's and `word` is part of its command line."""
        with contextlib.suppress(psutil.Error):
            running = psutil.Process(self.pid)
            return bool(running.uids().real == os.getuid() and word in " ".join(running.cmdline()))
        return False

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it is still that process."""
        with contextlib.suppress(psutil.Error):
            if self.alive():
                psutil.Process(self.pid).terminate()

    def kill(self) -> None:
        """Send SIGKILL to it and its children, if it is still that process."""
        with contextlib.suppress(psutil.Error):
            if self.alive():
                parent = psutil.Process(self.pid)
                for process in [*parent.children(recursive=True), parent]:
                    with contextlib.suppress(psutil.Error):
                        process.kill()


def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path | None = None
) -> DaemonProcess:
    """Start a command in its own session, output appended to `log`; raises `OSError`.

    Returns once its command line can be read, which may be a moment after its program began.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    try:
        started, deadline = process(child.pid), time.monotonic() + BEGIN_S
        while started.alive() and not started.command_line() and time.monotonic() < deadline:
            time.sleep(0.002)
        return started
    finally:
        child.returncode = 0  # not waited for; without this Python warns when the handle is dropped


def process(pid: int) -> DaemonProcess:
    """The process that has this PID now; one that has ended counts as not alive."""
    try:
        return DaemonProcess(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return DaemonProcess(pid, 0.0)


def end(processes: Sequence[DaemonProcess], gentle_s: float) -> None:
    """Send SIGTERM to all; after `gentle_s` SIGKILL to the rest and their children."""
    for each in processes:
        each.ask_to_end()
    _await_end(processes, gentle_s)
    for each in processes:
        each.kill()
    _await_end(processes, KILL_S)


def _await_end(processes: Sequence[DaemonProcess], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while any(each.alive() for each in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def last_line(log: Path, since: int = 0) -> str:
    """The last non-empty line of a log after its first `since` bytes, or an empty text."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(since, file.seek(0, os.SEEK_END) - LAST_BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""
