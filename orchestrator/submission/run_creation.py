"""Record a checked request as a run, and reset the failures of one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from jobs import plan
from jobs.data.data_source import DataSource
from jobs.errors import UnknownRun
from jobs.spec.model import Spec
from jobs.store import codec
from jobs.store.network_files import save_network_files
from jobs.store.records import CancelledRecord, TaskFailure
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, Trial

AT_ONCE = 8
"""Trials recorded in parallel."""


def create_run(
    store: Store,
    spec: Spec,
    source: DataSource,
    provenance: dict[str, Any] | None = None,
    lone_threads: int | None = None,
    notes: Sequence[str] = (),
) -> Run:
    """Record a run: its data sets, trials and own files, and last the run itself.

    From then on workers reconcile it.

    A run of the same name keeps its time, provenance and notes, becomes the latest again, and is no
    longer cancelled. The request is taken as it is; `preflight.check_request` checks one.
    If the run is a single trial, it gets `lone_threads` threads.
    """
    expanded = plan.unfold(spec, source.data_id)
    data = expanded.data
    codec.refuse_newer(CancelledRecord, store.cancelled_path(expanded.run))
    earlier = None
    with contextlib.suppress(UnknownRun):
        earlier = store.load_run(expanded.run)
    _save_inputs(store, spec, source)
    _save_trials(store, expanded)
    trials = tuple(trial.name for trial in expanded.trials)
    if lone_threads is not None and len(trials) == 1:
        store.plan_threads(trials[0], lone_threads)
    tasks = tuple(task.id for task in expanded.tasks)
    origin = provenance or {}
    run = Run(expanded.run, spec, data, trials, tasks, time.time(), origin, tuple(notes))
    run = run if earlier is None else replace(earlier, spec=spec)
    store.reopen(run)
    return run


def _save_trials(store: Store, expanded: plan.Plan) -> None:
    """Record the trials of a plan."""

    def save(trial: Trial) -> None:
        store.save_trial(trial, expanded.target_epochs, expanded.run, expanded.corruption_levels)

    with ThreadPoolExecutor(AT_ONCE) as pool:  # limited by the disk, not by the CPU
        list(pool.map(save, expanded.trials))


def _save_inputs(store: Store, spec: Spec, source: DataSource) -> None:
    """Record the data sets of a specification, and copy the own files of its networks."""
    for settings in dict.fromkeys(one.data_settings(name) for name, _, one in spec.trained()):
        store.save_data(source.data_id(settings), source, settings)
    for network in spec.networks.values():
        save_network_files(store, network)


def reset_failures(store: Store, run: Run) -> list[Task]:
    """Remove failure records of a run and reset the counted failures; returns the tasks.

    Raises `NewerRecord`, and then changes nothing.
    """
    from workers.execution import attempts

    failed = [task for task in map(Task.parse, run.tasks) if store.failed_path(task).exists()]
    codec.refuse_newer(CancelledRecord, store.cancelled_path(run.name))
    for task in failed:  # before anything is removed
        codec.refuse_newer(TaskFailure, store.failed_path(task))
        attempts.read_history(store, task)
    for task in failed:
        attempts.reset_failures(store, task)
        store.failed_path(task).unlink(missing_ok=True)
    return failed
