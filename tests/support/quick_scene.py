"""A Redis, a store with a run, and quick workers: for what happens when the broker fails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from jobs import atomic, plan
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from support.harness import redis_binary
from workers.messaging import broker

ROOT = Path(__file__).parents[2]


def small_run(root: Path, periods: int, seeds: int = 1) -> tuple[Store, Run]:
    """A store with a run of one backbone, as `orch submit` leaves it."""
    store = Store(root).open(create=True)
    asked = model.build(
        {"backbones": ["scratch"], "periods": periods, "epochs_per_period": 1, "seeds": seeds}
    )
    source = built_in("digits")
    data = source.data_id(asked.data_settings())
    unfolded = plan.unfold(asked, data)
    store.save_data(data, source, asked.data_settings())
    for trial in unfolded.trials:
        store.save_trial(trial, unfolded.target_epochs, unfolded.run)
    trials = tuple(trial.name for trial in unfolded.trials)
    tasks = tuple(task.id for task in unfolded.tasks)
    run = Run(unfolded.run, asked, data, trials, tasks, time.time(), {})
    store.save_run(run)
    return store, run


@dataclass
class Scene:
    """One Redis and what works with it; `close` ends what was started here and nothing else."""

    folder: Path
    seconds: float = 0.5
    options: tuple[str, ...] = ("--save", "")
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        binary = redis_binary()
        assert binary is not None
        (self.folder / "redis").mkdir()
        self.socket = self.folder / "r.sock"
        self.server = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", str(self.socket), *self.options],
            cwd=self.folder / "redis",
            stdout=subprocess.DEVNULL,
        )
        self.until(self.socket.exists, 10, "Redis")

    @property
    def url(self) -> str:
        """The broker's address."""
        return f"redis+socket://{self.socket}"

    @property
    def client(self) -> redis.Redis:
        """A client of the broker."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5)

    @property
    def store(self) -> Store:
        """The store that the workers use."""
        return Store(self.folder / "store")

    def worker(self, memory: int = 0, slots: int = 1) -> subprocess.Popen[bytes]:
        """Start a quick worker, as if on a GPU of so many bytes; its output is kept."""
        name = f"w{len(self.workers)}"
        command = [sys.executable, "-m", "support.quick_worker", str(self.store.root), self.url]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, name, str(self.seconds), str(memory), str(slots)],
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(process)
        return process

    def log(self, number: int = 0) -> str:
        """What a worker has said."""
        return (self.folder / f"w{number}.log").read_text(errors="replace")

    def complaints(self, number: int = 0) -> list[str]:
        """The warnings and errors that a worker has logged."""
        return [line for line in self.log(number).splitlines() if " WARNING " in line] + [
            line for line in self.log(number).splitlines() if " ERROR " in line
        ]

    def done(self, kind: str = "") -> int:
        """How many tasks (of a kind) are published."""
        return sum(
            name.startswith(kind) for name in atomic.list_names(self.store.root / "ledger" / "done")
        )

    def until(self, wanted: Callable[[], Any], timeout_s: float = 60, what: str = "it") -> float:
        """Wait for something to become true; the seconds it took. Fails with the workers' words."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if wanted():
                return time.monotonic() - began
            time.sleep(0.05)
        said = "\n".join(self.log(number) for number in range(len(self.workers)))
        raise AssertionError(f"{what} did not happen in {timeout_s} s\n{said}")

    def all_receive(self) -> bool:
        """Whether every worker answers through the broker."""
        application = broker.app(self.url, self.store.id)
        answers = application.control.ping(timeout=1.0, limit=len(self.workers)) or []
        return len(answers) == len(self.workers)

    def close(self) -> None:
        """End the workers, then Redis."""
        for process in [*self.workers, self.server]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(20)
