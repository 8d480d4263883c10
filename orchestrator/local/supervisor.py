"""One worker for each GPU of this machine, started again when it fails."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from jobs.settings import Settings
from orchestrator import own_packages, state_folder
from workers.devices import discovery
from workers.process import parent_death, shared_imports
from workers.process.shared_imports import SharedImports

log = logging.getLogger("orch.supervisor")

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
STEADY_S = 600.0
"""A worker that ran for so long has not failed to start: the waits begin anew."""
LOOK_S = 0.2
LEAVE_S = 40.0
"""Seconds after which workers that were asked to stop are killed; each needs at most 30."""
LOG_BYTES = 20_000_000
"""A longer log is renamed to `.log.1` before its worker is started again."""
SHOWN_OF_UUID = 12
"""Characters of a UUID in a worker's name: `GPU-` and eight more."""
PERMANENT = 2
"""The exit code of a worker for which waiting does not help, such as one without its device."""


@dataclass(slots=True)
class SupervisedWorker:
    """One worker: how it is started, where its output goes, and how often it failed in a row.

    `exit_code` is that of a worker that is not to be started again.
    """

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    exit_code: int | None = None

    def start(self, environment: Mapping[str, str], now: float, shared: bool = False) -> None:
        """Start the process in its own session; it is asked to stop when the supervisor dies.

        With `shared`, its fork server is a fork of this process (`workers.process.shared_imports`).
        """
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output, contextlib.ExitStack() as ends:
            pair = [ends.enter_context(each) for each in socket.socketpair()] if shared else []
            handles = [each.fileno() for each in pair]
            named = {shared_imports.VARIABLE: str(handles[0])} if shared else {}
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) | named,
                start_new_session=True,
                pass_fds=handles[:1],
                preexec_fn=partial(_become_worker, handles),
            )
        self.started_at = now
        log.info("worker %s started (process %d, %s)", self.name, self.process.pid, self.log)

    def ended(self, code: int, now: float) -> None:
        """Decide what follows an exit: nothing, or another start after a growing wait."""
        self.process = None
        if code in (0, PERMANENT):
            self.exit_code = code
            level = logging.ERROR if code else logging.INFO
            log.log(level, "worker %s ended%s", self.name, f": see {self.log}" if code else "")
            return
        self.failures = 1 if now - self.started_at > STEADY_S else self.failures + 1
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self.failures - 1, 10))
        self.start_at = now + wait_s
        log.warning(
            "worker %s ended with exit code %d; next start in %.0f s: see %s",
            self.name,
            code,
            wait_s,
            self.log,
        )


def _become_worker(handles: Sequence[int]) -> None:
    """What a fork of this process does before it runs the program of a worker."""
    parent_death.die_with_parent(signal.SIGTERM)
    if handles:
        shared_imports.leave_fork_server(*handles)


@dataclass(slots=True)
class Supervisor:
    """Keeps workers running until it is asked to stop, or none is left to be started.

    `load` imports what the fork servers of its workers share; None where each has its own.
    """

    workers: Sequence[SupervisedWorker]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    load: Callable[[], SharedImports | None] = lambda: None
    imports: SharedImports | None = None
    stop_at: float | None = None
    signals: int = 0
    passed_on: int = 0
    warned: bool = False

    def run(self) -> int:
        """The exit code: 0 if every worker was asked to stop or was idle, else the worst."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        self.imports = self.load()
        try:
            while not self.over():
                self.look()
                self.sleep(LOOK_S)
        finally:
            self._pass_on(signal.SIGKILL)
        return max((each.exit_code or 0 for each in self.workers), default=0)

    def over(self) -> bool:
        """Whether no worker runs and none will be started."""
        return all(
            each.process is None and (self.stop_at is not None or each.exit_code is not None)
            for each in self.workers
        )

    def look(self) -> None:
        """Pass signals on, notice workers that have ended, start those whose wait is over."""
        now = self.clock()
        if self.signals and self.stop_at is None:
            log.info("stopping %d worker(s) after their current step", len(self.workers))
            self.stop_at = now
        while self.passed_on < self.signals:
            first = self.passed_on == 0
            self.passed_on += 1
            self._pass_on(signal.SIGUSR1 if self.warned and first else signal.SIGTERM)
        for each in self.workers:
            if each.process is not None and (code := each.process.poll()) is not None:
                if self.stop_at is not None:
                    each.process = None
                else:
                    each.ended(code, now)
            if self.stop_at is None and each.process is None and each.exit_code is None:
                self._start(each, now)
        if self.stop_at is not None and now > self.stop_at + LEAVE_S:
            self._pass_on(signal.SIGKILL)

    def _start(self, each: SupervisedWorker, now: float) -> None:
        if now < each.start_at:
            return
        if self.imports is not None and not self.imports.current():
            log.warning("orch or torch was replaced: workers that start now load it themselves")
            self.imports = None
        try:
            each.start(self.environment, now, shared=self.imports is not None)
        except OSError as error:
            log.warning("worker %s cannot be started: %s", each.name, error)
            each.started_at = now
            each.ended(1, now)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Workers stop after their current step; a second signal makes them exit at once.

        SIGUSR1 is a warning, which may reach workers directly too: twice is the same as once.
        """
        if number == signal.SIGUSR1:
            if self.signals:
                return
            self.warned = True
        self.signals += 1

    def _pass_on(self, number: signal.Signals) -> None:
        for each in self.workers:
            if each.process is not None and each.process.poll() is None:
                each.process.send_signal(number)


def supervise(
    settings: Settings,
    gpus: Sequence[str],
    prefix: str,
    options: Sequence[str],
    task_threads: int,
) -> int:
    """Run a worker for each of these GPUs (UUID or index) until asked to stop; the exit code.

    `task_threads` are those of each task, as the workers find by the options.
    """
    with state_folder.locked(settings.store) as folder:
        log.info("one worker for each of %d GPU(s); their logs are in %s", len(gpus), folder)
    workers = []
    for number, gpu in enumerate(gpus):
        by_index = gpu.isdecimal()
        name = f"{prefix}-gpu{gpu}" if by_index else f"{prefix}-{gpu[:SHOWN_OF_UUID]}"
        device = f"cuda:{number}" if by_index else gpu
        words = [sys.executable, "-P", "-m", "orchestrator.cli", "worker"]
        words += ["--name", name, "--device", device, *options]
        workers.append(SupervisedWorker(name, words, folder / f"{name}.log"))
    environment = dict(os.environ) | {"ORCH_STORE": str(settings.store)}
    own_packages.protect(environment)
    same = discovery.Device("cuda", "", "", task_threads).environment()
    del same["CUDA_VISIBLE_DEVICES"]
    return Supervisor(workers, environment, load=partial(_load, same)).run()


def _load(environment: Mapping[str, str]) -> SharedImports | None:
    log.info("loading torch, once for all workers")
    return shared_imports.load(environment)
