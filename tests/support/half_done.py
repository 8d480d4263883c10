"""A run that is half done, and what a worker reports while it goes on with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from support.fakes import fill_store

NOW = time.time()


def half_done_run(root: Path) -> tuple[Store, Run]:
    """A run of two backbones and two periods of two epochs; only the first period is trained and
    evaluated.
    """
    return fill_store(
        root,
        backbones=["scratch", "resnet34"],
        periods=2,
        pixels=False,
        finished=lambda task: task.epoch <= 2,
    )


def say(store: Store, task: Task, age_s: float = 1.0, **message: Any) -> None:
    """A worker's last progress on a task, and a heartbeat of the same age."""
    who = {
        "task": task.id,
        "worker": "alpha-1",
        "host": "alpha",
        "device": "cpu",
        "attempt": 1,
        "at": NOW - age_s,
    }
    atomic.write_json(store.progress_path(task), {**message, **who})
    sign(store, task.id, age_s)


def sign(store: Store, task: str | None, age_s: float = 1.0) -> None:
    """A worker's heartbeat."""
    atomic.write_json(
        store.root / "workers" / "alpha-1.json",
        {
            "name": "alpha-1",
            "host": "alpha",
            "pid": 1,
            "device": "cpu",
            "task": task,
            "at": NOW - age_s,
        },
    )


def training(run: Run) -> Task:
    """The second period of the run's first trial."""
    return Task("train", run.trials[0], 4)
