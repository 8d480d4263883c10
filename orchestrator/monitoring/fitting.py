"""Networks that no live worker's device fits, from what runs require and heartbeats tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs import atomic, readiness
from jobs.errors import DamagedFile, OrchError, OutOfReach, UnknownRun
from jobs.spec import recorded_requirements
from jobs.store.ledger import Ledger
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.formatting import gigabytes
from orchestrator.monitoring.heartbeats import Heartbeat

SHOWN = 3
SHARED_TRIALS = 2
"""Trials whose other runs are read."""


def unfit(
    store: Store, run: Run | RunOutline, states: Mapping[str, str], workers: Sequence[Heartbeat]
) -> tuple[str, ...]:
    """What to say of the networks with open tasks that no living worker may take, a line each.

    Empty where no worker is alive: that is said in other words.
    """
    settings = run.recorded_spec
    if not workers or not recorded_requirements.any_recorded(settings):
        return ()
    largest = largest_of(workers)
    needs = _open_needs(store, run, settings, states)
    return lines({name: each for name, each in needs.items() if each > largest}, largest)


def largest_of(workers: Iterable[Heartbeat]) -> int:
    """Bytes of the largest GPU among the workers that take tasks; 0 without one."""
    return max((each.gpu_memory_bytes for each in workers if not each.drained), default=0)


def lines(needs: Mapping[str, int], largest_bytes: int) -> tuple[str, ...]:
    """A line for each network that needs more than the largest GPU, `SHOWN` at most."""
    there = (
        f"the largest live worker has {gigabytes(largest_bytes)}"
        if largest_bytes
        else "no live worker has a GPU whose memory is known"
    )
    told = [
        f"{name} needs {gigabytes(each)} of GPU memory; {there}"
        for name, each in sorted(needs.items())
    ]
    more = [f"{len(told) - SHOWN} more networks need more, too"] if len(told) > SHOWN else []
    return (*told[:SHOWN], *more)


def _open_needs(
    store: Store, run: Run | RunOutline, settings: Mapping[str, Any], states: Mapping[str, str]
) -> dict[str, int]:
    """Bytes that the networks with open tasks require, by label."""
    still_open = {Task.parse(task).subject for task, state in states.items() if state == "open"}
    needs = dict[str, int]()
    for trial in still_open & set(run.trials):
        with contextlib.suppress(OrchError, OSError):
            backbone = store.load_trial(trial).backbone
            needs[backbone] = recorded_requirements.recorded_bytes(settings, backbone)
    return needs


def unfit_by_others(
    store: Store, states: Mapping[str, str], workers: Sequence[Heartbeat]
) -> list[str]:
    """The same of the run's first open trainings, for what other runs that share them require."""
    parsed = (Task.parse(task) for task, state in states.items() if state == "open")
    trials = list(dict.fromkeys(task.subject for task in parsed if task.kind == "train"))
    needs, largest = dict[str, int](), largest_of(workers)
    for trial in trials[:SHARED_TRIALS]:
        with contextlib.suppress(OrchError, OSError):
            backbone = store.load_trial(trial).backbone
            names = atomic.list_names(store.trial_runs_folder(trial))
            runs = [store.outline(name) for name in names if not store.is_cancelled(name)]
            settings = [run.settings for run in runs]
            each = max(recorded_requirements.recorded_bytes(of, backbone) for of in settings)
            needs |= {backbone: each} if each > largest else {}
    return [
        f"{line} (another run on the same trial requires that)" for line in lines(needs, largest)
    ]


def unfit_of_store(store: Store, workers: Sequence[Heartbeat]) -> dict[str, tuple[str, ...]]:
    """The same for every run that has such networks; reads the ledger only if one requires any."""
    told_of, ledger = dict[str, tuple[str, ...]](), None
    for run in _readable(store):
        if recorded_requirements.any_recorded(run.settings):
            ledger = ledger or store.ledger()
            states = readiness.task_states(store, run, ledger)
            if told := unfit(store, run, states, workers):
                told_of[run.name] = told
    return told_of


def _readable(store: Store) -> Iterable[RunOutline]:
    for name in store.run_names():
        with contextlib.suppress(DamagedFile, OutOfReach, UnknownRun):
            yield store.outline(name)


def unfit_tasks(
    store: Store,
    runs: Sequence[RunOutline],
    ledger: Ledger,
    tasks: Iterable[str],
    workers: Sequence[Heartbeat],
) -> list[str]:
    """Those of the ready tasks that no living worker may take, as far as requirements say."""
    largest = largest_of(workers)
    limits = dict[str, int]()
    for run in runs:
        if recorded_requirements.any_recorded(run.settings) and not store.is_cancelled(run.name):
            states = readiness.task_states(store, run, ledger)
            needs = _open_needs(store, run, run.settings, states)
            for trial in run.trials:
                with contextlib.suppress(OrchError, OSError):
                    each = needs.get(store.load_trial(trial).backbone, 0)
                    limits[trial] = max(each, limits.get(trial, 0))
    return [task for task in tasks if limits.get(Task.parse(task).subject, 0) > largest]
