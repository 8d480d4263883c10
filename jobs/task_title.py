"""What a task is called for people: `train resnet34 period 2`."""

from __future__ import annotations

import contextlib

from jobs.errors import OrchError
from jobs.store.store import Store
from jobs.task import Task, backbone_and_seed


def task_title(store: Store, task: Task) -> str:
    """Kind, network and period, as the last run that wants the task counts them.

    The seed is named where the run has several. Where no run can be read, the epoch is named.
    """
    if task.kind == "prepare":
        return f"prepare {task.subject}"
    backbone, seed = backbone_and_seed(task.subject)
    runs = []
    with contextlib.suppress(OrchError, OSError):  # a title must not stop the task
        runs = store.wanted_by(task)
    if not runs:
        return _joined(task, backbone, f"seed {seed}" if seed else "", f"epoch {task.epoch}")
    run = runs[-1]
    several = f"seed {seed}" if run.spec.seeds > 1 else ""
    return _joined(task, backbone, several, f"period {run.period_of(task.epoch)}")


def _joined(task: Task, *words: str) -> str:
    return " ".join(filter(None, (task.kind, *words, task.corruption)))
