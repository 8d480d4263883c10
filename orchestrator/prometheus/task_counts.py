"""Every task of a store once, by state and kind, however many runs share it."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jobs import readiness
from jobs.errors import OrchError
from jobs.store import decisions
from jobs.store.ledger import Ledger
from jobs.store.runs import RunOutline
from jobs.store.store import Store
from jobs.task import Task

STATES = (
    "running",
    "ready",
    "waiting",
    "done",
    "failed",
    "quarantined",
    "blocked",
    "stopped",
    "cancelled",
)
"""`ready` tasks could start now; `waiting` ones need the results of others first."""
RUN_STATES = ("waiting", "running", "done", "failed", "cancelled", "damaged")
PRECEDENCE = ("done", "failed", "open", "blocked", "stopped", "cancelled")
"""Which state counts where runs that share a task differ: it is open if one of them wants it."""


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks by state and kind, runs by state, and the ids of the tasks that are ready."""

    tasks: Mapping[tuple[str, str], int]
    runs: Mapping[str, int]
    ready: frozenset[str]


def count_tasks(
    store: Store,
    runs: Sequence[RunOutline],
    ledger: Ledger,
    running: Collection[str],
    quarantined: Collection[str],
) -> TaskCounts:
    """Count the tasks of these runs; `running` and `quarantined` are ids of tasks."""
    merged: dict[str, str] = {}
    of_runs = Counter[str]()
    for run in runs:
        states = readiness.task_states(store, run, ledger)
        of_runs[_run_state(states, running)] += 1
        for task, state in states.items():
            before = merged.get(task)
            if before is None or PRECEDENCE.index(state) < PRECEDENCE.index(before):
                merged[task] = state
    undone = [task for task, now in merged.items() if now == "open"]
    ready = ready_tasks(store, runs, ledger, undone) - awaiting_decision(store, runs, undone)
    tasks = Counter[tuple[str, str]]()
    for task, state in merged.items():
        if state == "open":
            state = "running" if task in running else "ready" if task in ready else "waiting"
        elif task in quarantined:
            state = "quarantined"
        tasks[state, task.partition(".")[0]] += 1
    return TaskCounts(tasks, of_runs, ready - set(running))


def _run_state(states: Mapping[str, str], running: Collection[str]) -> str:
    kinds = set(states.values())
    if "open" in kinds:
        return "running" if any(task in running for task in states) else "waiting"
    return next((end for end in ("cancelled", "failed") if end in kinds), "done")


def ready_tasks(
    store: Store, runs: Sequence[RunOutline], ledger: Ledger, open_tasks: Sequence[str]
) -> frozenset[str]:
    """Those of the open tasks that could start now, from listings alone.

    `jobs.readiness.is_ready` asks the store of one task, which would be slow for thousands.
    """
    epochs, unprepared = _target_epochs(runs), _unprepared_trials(store, runs, ledger)
    ready = set[str]()
    for name in open_tasks:
        task = Task.parse(name)
        last = task.epoch + task.needs_training
        needed = (Task("train", task.subject, each) for each in epochs[task.subject] if each < last)
        if task.kind == "prepare" or (
            task.subject not in unprepared and all(map(ledger.is_done, needed))
        ):
            ready.add(name)
    return frozenset(ready)


def awaiting_decision(
    store: Store, runs: Sequence[RunOutline], open_tasks: Sequence[str]
) -> frozenset[str]:
    """Those of the open tasks that no run wants before it has decided which trials go on."""
    deciding = {run.name: decisions.read(store, run) for run in runs if run.decision_epochs}
    if not deciding:
        return frozenset()
    waiting = set[str]()
    for name in open_tasks:
        task = Task.parse(name)
        wanting = [run.name for run in runs if task.subject in run.trials and name in run.tasks]
        known = [deciding.get(run) for run in wanting]
        if task.kind != "prepare" and not any(one is None or one.allows(task) for one in known):
            waiting.add(name)
    return frozenset(waiting)


def _target_epochs(runs: Sequence[RunOutline]) -> dict[str, set[int]]:
    """The target epochs of each trial, over all runs."""
    epochs: dict[str, set[int]] = defaultdict(set)
    for task in (Task.parse(name) for run in runs for name in run.tasks):
        if task.kind == "train":
            epochs[task.subject].add(task.epoch)
    return epochs


def _unprepared_trials(store: Store, runs: Sequence[RunOutline], ledger: Ledger) -> set[str]:
    """The trials whose data set is not prepared yet."""
    unprepared = set[str]()
    for run in runs:
        waiting = {data for data in run.data_sets if not ledger.is_done(Task("prepare", data))}
        if len(run.data_sets) == 1 or waiting == set(run.data_sets):
            unprepared |= set(run.trials) if waiting else set()
        elif waiting:
            unprepared |= {trial for trial in run.trials if _data_of(store, trial) in waiting}
    return unprepared


def _data_of(store: Store, trial: str) -> str:
    with contextlib.suppress(OrchError, OSError):
        return store.load_trial(trial).data
    return ""
