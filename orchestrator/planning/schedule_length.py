"""Warn where trials begin anew only because more periods make their schedule longer."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterable

from jobs import atomic, plan
from jobs.catalog.schedules import SCHEDULES
from jobs.data.data_source import DataSource
from jobs.errors import OrchError
from jobs.spec.model import Spec
from jobs.store.store import Store
from jobs.task import Trial


def note(store: Store, spec: Spec, source: DataSource) -> list[str]:
    """A line where trials of other periods are recorded that differ in nothing else; else none."""
    each = [one.recipe(name) for name, _, one in spec.trained()]
    if not any(SCHEDULES[recipe.schedule].fixed_length for recipe in each):
        return []
    planned = plan.unfold(spec, source.data_id).trials
    return [
        f"the schedule {trial.recipe.schedule} ends after {trial.recipe.horizon_epochs:,} epochs, "
        f"and in {other.name} after {other.recipe.horizon_epochs:,}: such trials are others, "
        "trained from the start; horizon_epochs plans for more periods"
        for trial, other in itertools.islice(_other_lengths(store, planned), 1)
    ]


def _other_lengths(store: Store, planned: Iterable[Trial]) -> Iterable[tuple[Trial, Trial]]:
    """New trials, each with a recorded one that differs in the schedule's length alone."""
    recorded = defaultdict(list)
    for name in atomic.list_names(store.trials_folder):
        recorded[_begin(name)].append(name)
    for trial in (each for each in planned if not store.has_trial(each.name)):
        for name in recorded[_begin(trial.name)]:
            with contextlib.suppress(OrchError, OSError):
                other = store.load_trial(name)
                if name != trial.name and _without_length(other) == _without_length(trial):
                    yield trial, other


def _begin(name: str) -> str:
    """What names of trials of one network and seed begin with."""
    return name.rpartition("-")[0]


def _without_length(trial: Trial) -> tuple[object, ...]:
    recipe = trial.recipe.model_copy(update={"horizon_epochs": None})
    return trial.data, trial.backbone, trial.weights, recipe, trial.seed, trial.network
