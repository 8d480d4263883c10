"""The study at work: its runs, its workers' tasks, and what faults leave behind to be checked."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
from support.harness import Lab

from chaos.broker import Broker
from chaos.crew import Crew
from chaos.processes import task_children
from jobs import atomic, readiness
from jobs.benchmark import host_key
from jobs.errors import OrchError
from jobs.store.runs import Run
from jobs.task import Task
from orchestrator.monitoring import heartbeats

T = TypeVar("T")
BACKBONES = ("scratch", "squeezenet", "squeezenet-finetuned")


@dataclass(frozen=True)
class Size:
    """How large a study is. Trainings that are struck wait `pause_s` before each epoch: they take
    their time, and not the processor's. In a `race` networks that are behind stop between periods.
    """

    image_size: int = 64
    epochs_a_period: int = 8
    pause_s: float = 0.0
    race: bool = False


SMALL = Size(56, 3, 1.2)


RANKED = """
import time

from torch import nn


class Network(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images):
        time.sleep(0.3)
        return self.head(self.body(images).flatten(1))


def narrow(classes):
    return Network(4, classes)


def wide(classes):
    return Network(16, classes)
"""
"""Networks to rank; each batch takes a moment, so that there is something to strike."""


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
    images: Path
    size: Size = field(default_factory=Size)
    runs: list[Run] = field(default_factory=list)
    rankings: list[Run] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    timers: list[threading.Timer] = field(default_factory=list)
    benchmarks: set[str] = field(default_factory=set)

    @property
    def run(self) -> Run:
        """The run at work."""
        return self.runs[-1]

    def submit(self, periods: int) -> None:
        """Submit the run with this many periods; more periods extend the same trials.

        Networks are ranked on the same images the first time.
        """
        if not self.rankings:
            self.rankings.append(patiently(lambda: rank(self.lab, self.images, self.size)))
        self.runs.append(patiently(lambda: submit(self.lab, self.images, periods, self.size)))

    def orch(self, *words: str) -> None:
        """Run a command, again while it fails: the disk may be full or the broker unreachable for a
        moment.
        """
        patiently(lambda: self.lab.orch(*words))

    def resume(self) -> None:
        """Continue the run at work and the ranking, without workers of its own."""
        for run in (self.run, *self.rankings):
            self.orch("resume", run.name, "--no-workers")

    def done(self) -> frozenset[str]:
        """The tasks that are done."""
        return frozenset(
            name[:-5] for name in atomic.list_names(self.lab.store.root / "ledger" / "done")
        )

    def over(self) -> bool:
        """Whether all tasks are done."""
        return self.open_tasks() == 0

    def open_tasks(self) -> int:
        """How many tasks are not done yet."""
        both = (*self.runs, *self.rankings)
        states = [readiness.task_states(self.lab.store, run) for run in both]
        tasks = {task for run in states for task, state in run.items() if state == "open"}
        return len(tasks | self.open_benchmarks())

    def open_benchmarks(self) -> set[str]:
        """The benchmarks that are not done, but for those of a name that no host has any more."""
        signs = heartbeats.read_heartbeats(self.lab.store.root)
        hosts = {host_key(sign.host) for sign in signs if sign.fresh}
        waiting = (Task.parse(name) for name in self.benchmarks - self.done())
        return {task.id for task in waiting if task.way is not None and task.way.host in hosts}

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


def submit(lab: Lab, images: Path, periods: int, size: Size) -> Run:
    """Submit the study."""
    words = [word for name in BACKBONES for word in ("--backbone", name)]
    return lab.submit(
        *words,
        "--periods",
        str(periods),
        "--epochs-per-period",
        str(size.epochs_a_period),
        "--data",
        str(images),
        "--image-size",
        str(size.image_size),
        "--weights",
        "none",
        "--batch-size",
        "8",
        "--precision",
        "fp32",
        "--no-workers",
        *(["--race"] if size.race else []),
    )


def rank(lab: Lab, images: Path, size: Size) -> Run:
    """Rank networks of our own: they need no pretrained weights, and take a moment."""
    file = images.with_name("ranked.py")
    file.write_text(RANKED)
    words = [word for name in ("narrow", "wide") for word in ("--backbone", f"{file}:{name}")]
    preparation = ("--resize", "squash", "--interpolation", "bilinear", "--crop", "1")
    colours = ("--mean", "0.5,0.5,0.5", "--deviation", "0.25,0.25,0.25")
    words += ["--data", str(images), "--image-size", str(size.image_size), *preparation, *colours]
    told = lab.orch("rank", *words, "--no-wait", "--no-workers", "--json")
    return lab.store.load_run(json.loads(told)["run"])
