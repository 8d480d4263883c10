"""A specification unfolded into tasks, and which of them are ready.

A data set is prepared first. A trial is trained from target epoch to target epoch, and each is
evaluated while the next is trained. After the last one there may be evaluations on corrupted
images. Readiness is read from the ledger alone.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from jobs.atomic import json_digest
from jobs.catalog import backbones
from jobs.store.ledger import Ledger
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task, Trial

if TYPE_CHECKING:
    from jobs.spec.model import Spec


@dataclass(frozen=True, slots=True)
class Plan:
    """The unfolded specification: run name, trials (largest network first) and tasks."""

    run: str
    data: str
    trials: tuple[Trial, ...]
    marks: tuple[int, ...]
    variants: tuple[str, ...] = ()

    @property
    def tasks(self) -> list[Task]:
        """All tasks of the run: the data set first, then those of each trial, large
        networks first.
        """
        work = [Task("prepare", self.data)]
        for name in (trial.name for trial in self.trials):
            for epoch in self.marks:
                work += [Task("train", name, epoch), Task("evaluate", name, epoch)]
            work += [Task("evaluate", name, self.marks[-1], variant) for variant in self.variants]
        return work


def unfold(spec: Spec, data: str) -> Plan:
    """The plan of a specification on the data set `data`; the same input gives the same plan."""
    trials = [
        Trial(data, name, spec.weights_of(name), spec.recipe(), seed)
        for seed in range(spec.seeds)
        for name in sorted(spec.backbones, key=lambda n: -backbones.CATALOG[n].relative_cost)
    ]
    marks = tuple(period * spec.epochs_per_period for period in range(1, spec.periods + 1))
    return Plan(spec.name or run_name(spec, data), data, tuple(trials), marks, tuple(spec.variants))


def run_name(spec: Spec, data: str) -> str:
    """The default name of a run: readable, then a hash of specification and data.

    Submitting the same again therefore finds the same run.
    """
    from jobs.spec.model import BUILT_IN_DATA, NOT_ASKED, named_by

    stem = spec.data if spec.data in BUILT_IN_DATA else data.rsplit("-", 2)[0]
    asked = {key: value for key, value in named_by(spec).items() if key not in NOT_ASKED} | {
        "data": data
    }
    return f"{PurePath(stem).name}-{spec.periods}x{spec.epochs_per_period}-{json_digest(asked)[:6]}"


def ready_tasks(store: Store, run: Run, ledger: Ledger | None = None) -> list[Task]:
    """Tasks that could start now and advance the run, large networks first; held ones included.

    Trainings up to a target epoch of another run are included where this run has to train past it.
    `ledger` is a listing of the store; without one it is listed now.
    """
    if store.is_cancelled(run.name):
        return []
    ledger = ledger or store.ledger()
    preparing = Task("prepare", run.data)
    if not ledger.is_done(preparing):
        return [] if ledger.has_failed(preparing) else [preparing]
    found = [task for trial in run.trials for task in ready_tasks_of_trial(store, trial, ledger)]
    own = set(run.tasks)
    return [
        task
        for task in found
        if task.id in own or (task.kind == "train" and _leads_on(ledger, run, task))
    ]


def _leads_on(ledger: Ledger, run: Run, task: Task) -> bool:
    """Whether the run trains a trial beyond this target epoch of another run."""
    marks = (run.epoch_of(period) for period in range(1, run.spec.periods + 1))
    return any(
        mark > task.epoch and not ledger.is_done(Task("train", task.subject, mark))
        for mark in marks
    )


def ready_tasks_of_trial(store: Store, trial: str, ledger: Ledger) -> list[Task]:
    """The first untrained target epoch of a trial and all trained ones not yet evaluated."""
    work: list[Task] = []
    for epoch, tests in store.marked(trial).items():
        training = Task("train", trial, epoch)
        if not ledger.is_done(training):
            work.append(training)
            break
        work += [test for test in tests if not ledger.is_done(test)]
    return [task for task in work if not ledger.has_failed(task)]


def is_ready(store: Store, task: Task) -> bool:
    """Whether the task can start now: wanted, not done, not failed, its inputs are there."""
    if store.is_done(task) or store.has_failed(task) or not store.wanted_by(task):
        return False
    if task.kind == "prepare":
        return True
    if not store.has_trial(task.subject) or not store.is_done(
        Task("prepare", store.load_trial(task.subject).data)
    ):
        return False
    marked = store.marked(task.subject)
    if task.epoch not in marked or (task.kind == "evaluate" and task not in marked[task.epoch]):
        return False
    needed = [epoch for epoch in marked if epoch < task.epoch + (task.kind == "evaluate")]
    return all(store.is_done(Task("train", task.subject, epoch)) for epoch in needed)


def period_closed_by(store: Store, task: Task) -> int:
    """The period (from 1) that a task ends, counted over all target epochs of its trial."""
    return sum(1 for mark in store.marks(task.subject) if mark <= task.epoch)


def next_tasks(store: Store, task: Task) -> list[Task]:
    """The tasks that `task` made ready; none if it is not done."""
    if not store.is_done(task) or task.kind == "evaluate":
        return []
    if task.kind == "prepare":
        ledger = store.ledger()
        return [
            ready_task
            for run in store.wanted_by(task)
            for ready_task in ready_tasks(store, run, ledger)
        ]
    marked = store.marked(task.subject)
    trainings = (Task("train", task.subject, epoch) for epoch in marked)
    following = itertools.islice(
        (training for training in trainings if not store.is_done(training)), 1
    )
    found = [*marked.get(task.epoch, []), *following]
    return [each for each in found if not store.is_done(each) and not store.has_failed(each)]


def priority(task: Task) -> int:
    """Queue priority from 0 (first) to 9: data sets, then large networks, whatever seed or kind.

    Evaluations on corrupted images come last: nothing waits for them.
    """
    if task.kind == "prepare" or task.variant:
        return 9 if task.variant else 0
    backbone = task.subject.rsplit("-s", 1)[0]
    cost = backbones.CATALOG[backbone].relative_cost if backbone in backbones.CATALOG else 1.0
    return max(1, 9 - round(2.4 * math.log(max(cost, 1.0))))


def task_states(
    store: Store, run: Run | RunOutline, ledger: Ledger | None = None
) -> dict[str, str]:
    """The state of each task: `done`, `failed`, `blocked`, `cancelled` or `open`.

    `blocked` means that something it needs failed. `ledger` is a listing of the store; without one
    it is listed now.
    """
    ledger = ledger or store.ledger()
    states: dict[str, str] = {}
    unfinished = "cancelled" if store.is_cancelled(run.name) else "open"
    blocked: set[str] = set()
    for task_id in run.tasks:
        kind, subject, _ = task_id.split(".", 2)
        if task_id in ledger.done:
            states[task_id] = "done"
        elif task_id in ledger.failed:
            states[task_id] = "failed"
            blocked |= (
                set(run.trials) if kind == "prepare" else {subject} if kind == "train" else set()
            )
        else:
            states[task_id] = "blocked" if subject in blocked else unfinished
    return states
