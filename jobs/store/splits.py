"""The splits of a run that trains every network on several of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobs.errors import RequestError
from jobs.task import Task

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store


def split_of(store: Store, data: str) -> int:
    """What drew the split of a data set: its `split_seed`."""
    return store.described(data).settings.split_seed


def by_trial(store: Store, run: Run) -> dict[str, int]:
    """The `split_seed` of the data set of each trial; that of the run where it has one split."""
    if run.spec.splits == 1:
        return dict.fromkeys(run.trials, run.spec.split_seed)
    known = {data: split_of(store, data) for data in run.data_sets}
    return {name: known[store.load_trial(name).data] for name in run.trials}


def chosen(store: Store, run: Run, split: int | None) -> Run:
    """The run as if it had this split alone, by default its first; raises `RequestError`."""
    known = run.spec.split_seeds
    if split is not None and split not in known:
        there = f"the splits {known[0]} to {known[-1]}" if len(known) > 1 else f"split {known[0]}"
        raise RequestError(f"--split {split}: the run {run.name} has {there}.")
    return run if len(known) == 1 else part(store, run, known[0] if split is None else split)


def meant(run: Run, split: int | None) -> int | None:
    """Which of several splits is meant, by default the first; None where there is one."""
    known = run.spec.split_seeds
    return None if len(known) == 1 else known[0] if split is None else split


def part(store: Store, run: Run, split: int) -> Run:
    """The run as if it had this split alone, which is known by its `split_seed`."""
    data_sets = [data for data in run.data_sets if split_of(store, data) == split]
    trials = tuple(name for name, own in by_trial(store, run).items() if own == split)
    kept = {*data_sets, *trials, *(set(run.all_data_sets) - set(run.data_sets))}
    tasks = tuple(task for task in run.tasks if Task.parse(task).subject in kept)
    return replace(run, data=data_sets[0], trials=trials, tasks=tasks)
