"""What a task is called for people: `train resnet34 period 2`."""

from __future__ import annotations

import contextlib

from jobs.errors import OrchError
from jobs.spec import setting
from jobs.store import splits
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, backbone_and_seed


def task_title(store: Store, task: Task) -> str:
    """Kind, network and period, as the last run that wants the task counts them.

    Seed and split are named where the run has several, and the setting in a grid. Where no run can
    be read, the epoch is named.
    """
    runs = []
    with contextlib.suppress(OrchError, OSError):  # a title must not stop the task
        runs = store.wanted_by(task)
    if task.kind == "prepare":
        return _joined(task, task.subject, _split(store, runs[-1], task) if runs else "")
    backbone, seed = backbone_and_seed(task.subject)
    if task.kind == "rank":
        return _joined(task, backbone)
    if not runs:
        return _joined(task, backbone, f"seed {seed}" if seed else "", f"epoch {task.epoch}")
    run = runs[-1]
    several = f"seed {seed}" if run.spec.seeds > 1 else ""
    period = f"period {run.period_of(task.epoch)}"
    parts = (_setting(store, run, task), several, _split(store, run, task), period)
    return _joined(task, backbone, *parts)


def _split(store: Store, run: Run, task: Task) -> str:
    """The split of a task: `split 2`; empty where the run has one, and for other data."""
    if run.spec.splits > 1:
        with contextlib.suppress(OrchError, OSError):
            prepares = task.kind == "prepare"
            data = task.subject if prepares else store.load_trial(task.subject).data
            return f"split {splits.split_of(store, data)}" if data in run.data_sets else ""
    return ""


def _setting(store: Store, run: Run, task: Task) -> str:
    """The setting of a trial of a grid: `learning_rate 0.003`; empty where nothing varies."""
    if run.spec.varies:
        with contextlib.suppress(OrchError, OSError):
            trial = store.load_trial(task.subject)
            keys = setting.in_order(run.spec.lists_of(trial.backbone))
            return setting.told(setting.of_recipe(trial.recipe, keys))
    return ""


def _joined(task: Task, *words: str) -> str:
    on = f"on {task.data}" if task.data else ""
    way = "" if task.way is None else f"by {task.way.runtime}"
    return " ".join(filter(None, (task.kind, *words, task.corruption, on, way)))
