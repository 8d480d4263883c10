"""Choose the finished training that represents each trial of a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType

from jobs import settings
from jobs.errors import OrchError, RequestError
from jobs.spec.setting import network_of
from jobs.store import splits
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis import setting_choice
from orchestrator.analysis.load import require_training
from orchestrator.analysis.setting_choice import Wanted

NOTHING: Wanted = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TrainedModels:
    """Finished and evaluated trainings by backbone, one per seed, and trials without one.

    In a grid each setting of a backbone is one of its own, under its label.
    """

    trials: dict[str, list[Task]]
    absent: tuple[str, ...]


def choose_models(
    store: Store,
    run: Run,
    period: int | None,
    backbones: Collection[str] = (),
    wanted: Wanted = NOTHING,
) -> TrainedModels:
    """The training of each trial up to the end of `period`, or to its latest evaluated epoch.

    `backbones` and the values that are `wanted` of recipes choose among the trials.
    Raises `RequestError` for a run that only ranks, for a period that it does not have or if
    nothing is chosen, `OrchError` when no trial has reached that epoch.
    """
    require_training(store, run)
    periods = range(1, run.spec.periods + 1) if period is None else [period]
    if period is not None and not 1 <= period <= run.spec.periods:
        raise RequestError(
            f"--period {period}: the run {run.name} has periods 1 to {run.spec.periods}."
        )
    labels = setting_choice.chosen(store, run, backbones, wanted)
    ordered = sorted(labels.values(), key=lambda each: run.spec.backbones.index(network_of(each)))
    trials: dict[str, list[Task]] = {label: [] for label in ordered}
    absent = []
    for name, label in labels.items():
        epochs = [run.epoch_of(each) for each in periods]
        ready = [epoch for epoch in epochs if store.is_done(Task("evaluate", name, epoch))]
        if ready:
            trials[label].append(Task("train", name, ready[-1]))
        else:
            absent.append(name)
    if len(absent) == len(labels):
        missing = "any period" if period is None else f"period {period}"
        raise OrchError(
            f"the run {run.name} has not evaluated {missing} yet, so no network can predict. "
            f"Its progress: {settings.command_line(store.root, 'status', run.name)}"
        )
    return TrainedModels({name: tasks for name, tasks in trials.items() if tasks}, tuple(absent))


def choose_model(
    store: Store,
    run: Run,
    backbone: str,
    seed: int | None,
    period: int | None,
    wanted: Wanted = NOTHING,
) -> Task:
    """The finished training of one network; raises `RequestError` where it is not clear which.

    `seed` may be None where the run has one seed, `period` for the newest evaluated one. Of several
    settings the one with the `wanted` values is meant.
    """
    labels = setting_choice.chosen(store, run, [backbone], wanted)
    label = setting_choice.require_one(backbone, labels.values())
    by_seed = {
        store.load_trial(task.subject).seed: task
        for task in choose_models(store, run, period).trials.get(label, ())
    }
    if not by_seed:
        raise OrchError(
            f"{label} has not been evaluated yet at what was asked. Its progress: "
            f"{settings.command_line(store.root, 'status', run.name)}"
        )
    known = ", ".join(map(str, sorted(by_seed)))
    if seed is None and run.spec.seeds > 1:
        raise RequestError(f"{backbone} was trained with several seeds. Give --seed: {known}.")
    if seed is not None and seed not in by_seed:
        raise RequestError(f"--seed {seed}: {backbone} was trained with these seeds: {known}.")
    return next(iter(by_seed.values())) if seed is None else by_seed[seed]


def choose_training(
    store: Store,
    run: Run,
    backbone: str,
    seed: int | None,
    period: int | None,
    split: int | None,
    setting: Wanted,
) -> Task:
    """The same of one split, by default the first, with values of a recipe as a user gives them."""
    part = splits.chosen(store, run, split)
    return choose_model(store, part, backbone, seed, period, setting_choice.checked(setting))
