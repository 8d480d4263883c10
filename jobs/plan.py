"""Expand a specification into tasks, and determine which of them are ready.

The data set is prepared first. Each trial is then trained from one target epoch to the next. A
target epoch can be evaluated while the next one is trained. Evaluations on corrupted images may
follow the last target epoch. Readiness is derived from the store alone.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.catalog import backbones
from jobs.errors import OrchError, OutOfReach
from jobs.spec import setting
from jobs.store import decisions, other_data
from jobs.store.ledger import Ledger
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import ON, Task, Trial, TrialNetwork

if TYPE_CHECKING:
    from jobs.spec.model import DataSettings, Spec
    from jobs.spec.setting import Setting


@dataclass(frozen=True, slots=True)
class Plan:
    """The expanded specification: run name, data sets, trials and tasks.

    `data_sets` are the preparations of the same images, that of the first network first; of several
    splits, all of the first split first. Trials are ordered by seed, then by cost, with the most
    expensive network first; settings of a grid are in the order of their lists, then splits.
    Evaluations of the `corruption_levels` follow the last target epoch. A plan that `ranks` has one
    task for each network, and trains none.
    """

    run: str
    data_sets: tuple[str, ...]
    trials: tuple[Trial, ...]
    target_epochs: tuple[int, ...]
    corruption_levels: tuple[str, ...] = ()
    ranks: bool = False

    @property
    def data(self) -> str:
        """The data set of the run's first network."""
        return self.data_sets[0]

    @property
    def tasks(self) -> list[Task]:
        """All tasks of the run: the data sets first, then those of each trial in order."""
        work = [Task("prepare", data) for data in self.data_sets]
        if self.ranks:
            return work + [Task("rank", trial.name) for trial in self.trials]
        for name in (trial.name for trial in self.trials):
            for epoch in self.target_epochs:
                work += [Task("train", name, epoch), Task("evaluate", name, epoch)]
            work += [
                Task("evaluate", name, self.target_epochs[-1], corruption)
                for corruption in self.corruption_levels
            ]
        return work


def unfold(spec: Spec, data: str | Callable[[DataSettings], str]) -> Plan:
    """The plan of a specification; deterministic.

    `data` gives the name of the data set with these settings; a text is the name of the only one.
    """
    from jobs.spec.run_name import run_name

    trained = [
        (name, one, data if isinstance(data, str) else data(one.data_settings(name)))
        for name, _, one in spec.trained()
    ]
    trials = [
        Trial(images, name, one.weights_of(name), one.recipe(name), seed, network_of(one, name))
        for seed in range(spec.seeds)
        for name, one, images in sorted(trained, key=lambda each: -relative_cost(spec, each[0]))
    ]
    data_sets = tuple(dict.fromkeys(images for _, _, images in trained))
    name = spec.name or run_name(spec, data_sets)
    if spec.rank:
        return Plan(name, data_sets, tuple(trials), (), ranks=True)
    target_epochs = tuple(period * spec.epochs_per_period for period in range(1, spec.periods + 1))
    return Plan(name, data_sets, tuple(trials), target_epochs, tuple(spec.corruption_levels))


def setting_of(spec: Spec, trial: Trial) -> Setting:
    """The setting of a trial in a grid: the values of the keys that vary for its network."""
    return setting.of_recipe(trial.recipe, setting.in_order(spec.lists_of(trial.backbone)))


def label_of(spec: Spec, trial: Trial) -> str:
    """What stands for a trial and its other seeds: its network, in a grid with the setting."""
    return setting.label(trial.backbone, setting_of(spec, trial))


def network_of(spec: Spec, backbone: str) -> TrialNetwork | None:
    """What a trial's network is beyond its name; None for one of the study, as it was there."""
    from jobs.spec.networks import STUDY, Network

    wanted, known = spec.preparation_of(backbone), spec.networks.get(backbone, Network())
    usual = (wanted.mean, wanted.deviation) == (STUDY.mean, STUDY.deviation)
    if backbone in backbones.CATALOG and usual and known.weights is None:
        return None
    return TrialNetwork(wanted.mean, wanted.deviation, known.source, known.weights)


def relative_cost(spec: Spec, backbone: str) -> float:
    """The cost of a network in units of the catalog's, as if the run's image size were 224 px."""
    usual = backbones.PUBLISHED_SIZE if spec.image_size == "native" else spec.image_size
    return image_cost(spec, backbone) * (backbones.PUBLISHED_SIZE / usual) ** 2


def image_cost(spec: Spec, backbone: str) -> float:
    """The cost of an image of the network's own size, in units of the catalog's at 224 px.

    Outside the catalog it was counted at submission; without torch, a typical network is assumed.
    """
    known = spec.networks.get(backbone)
    if known is not None and known.relative_cost and backbone not in backbones.CATALOG:
        return known.relative_cost
    size = spec.preparation_of(backbone).image_size
    return backbones.relative_cost(backbone) * (size / backbones.PUBLISHED_SIZE) ** 2


def ready_tasks(
    store: Store,
    run: Run,
    ledger: Ledger | None = None,
    on_denied: Callable[[OutOfReach], None] = lambda error: None,
) -> list[Task]:
    """Tasks that can start now and advance the run, in the order of its trials.

    Tasks whose lease a worker holds are included. Trainings up to a target epoch of another run are
    included if this run has to train beyond it. `ledger` is a listing of the store; without one
    the store is listed now. A trial that this user may not read is left out; `on_denied` gets why.
    """
    if store.is_cancelled(run.name):
        return []
    ledger = ledger or store.ledger()
    preparing = [Task("prepare", data) for data in run.data_sets]
    waiting = [task for task in preparing if not ledger.is_done(task)]
    ready = [task for task in waiting if not ledger.has_failed(task)]
    if len(waiting) == len(preparing):
        return ready
    unprepared = {task.subject for task in waiting}
    for trial in run.trials:
        try:
            if not unprepared or store.load_trial(trial).data not in unprepared:
                ready += ready_tasks_of_trial(store, trial, ledger)
                ready += _ready_ranking(run, trial, ledger)
        except OutOfReach as error:
            on_denied(error)
    ready += other_data.preparations(run, ledger)
    own, known = set(run.tasks), decisions.read(store, run)
    return [
        task
        for task in ready
        if (task.id in own or (task.kind == "train" and _leads_on(ledger, run, task)))
        and (task.kind == "prepare" or known.allows(task))
    ]


def _ready_ranking(run: Run, trial: str, ledger: Ledger) -> list[Task]:
    """The ranking of a trial's network, where the run ranks it and that is still to be done."""
    task = Task("rank", trial)
    ended = ledger.is_done(task) or ledger.has_failed(task)
    return [task] if run.spec.rank and not ended else []


def _leads_on(ledger: Ledger, run: Run, task: Task) -> bool:
    """Whether the run trains a trial beyond this target epoch of another run."""
    target_epochs = (run.epoch_of(period) for period in range(1, run.spec.periods + 1))
    return any(
        epoch > task.epoch and not ledger.is_done(Task("train", task.subject, epoch))
        for epoch in target_epochs
    )


def ready_tasks_of_trial(store: Store, trial: str, ledger: Ledger) -> list[Task]:
    """Training to the first untrained target epoch of a trial, and evaluations still to be done."""
    work: list[Task] = []
    for epoch, evaluations in store.evaluations_by_epoch(trial).items():
        training = Task("train", trial, epoch)
        if not ledger.is_done(training):
            work.append(training)
            break
        prepared = (test for test in evaluations if other_data.is_prepared(ledger, test))
        work += [test for test in prepared if not ledger.is_done(test)]
    return [task for task in work if not ledger.has_failed(task)]


def is_ready(store: Store, task: Task) -> bool:
    """Whether the task can start now: wanted, not done, not failed, and its inputs exist."""
    if store.is_done(task) or store.has_failed(task) or not store.wanted_by(task):
        return False
    if task.kind == "prepare":
        return True
    if not store.has_trial(task.subject) or not store.is_done(
        Task("prepare", store.load_trial(task.subject).data)
    ):
        return False
    if task.kind == "rank":
        return True
    if task.data and not store.is_done(Task("prepare", task.data)):
        return False
    wanted = store.evaluations_by_epoch(task.subject)
    if task.epoch not in wanted or (task.needs_training and task not in wanted[task.epoch]):
        return False
    needed = [epoch for epoch in wanted if epoch < task.epoch + task.needs_training]
    return all(store.is_done(Task("train", task.subject, epoch)) for epoch in needed)


def period_closed_by(store: Store, task: Task) -> int:
    """The period (from 1) that a task completes, counted over all target epochs of its trial."""
    return sum(1 for epoch in store.target_epochs(task.subject) if epoch <= task.epoch)


def next_tasks(store: Store, task: Task) -> list[Task]:
    """The tasks that become ready when `task` is done; none if it is not done."""
    if not store.is_done(task) or task.kind in ("evaluate", "bench", "rank"):
        return []
    if task.kind == "prepare":
        ledger = store.ledger()
        return [
            ready_task
            for run in store.wanted_by(task)
            for ready_task in ready_tasks(store, run, ledger)
            if run.data_sets == (task.subject,) or other_data.uses(store, ready_task, task.subject)
        ]
    evaluations_by_epoch = store.evaluations_by_epoch(task.subject)
    trainings = (Task("train", task.subject, epoch) for epoch in evaluations_by_epoch)
    undone = itertools.islice((each for each in trainings if not store.is_done(each)), 1)
    following = (each for each in undone if store.wanted_by(each))  # not where a decision is due
    evaluations = evaluations_by_epoch.get(task.epoch, [])
    tests = [e for e in evaluations if not e.data or store.is_done(Task("prepare", e.data))]
    candidates = [*tests, *following]
    return [each for each in candidates if not store.is_done(each) and not store.has_failed(each)]


def priority(task: Task, cost: float) -> int:
    """Queue priority from 0 (first) to 9: data sets, then networks by descending relative cost.

    Seed and kind do not matter. Evaluations on corrupted images and on other data come last, and
    benchmarks too, because no task depends on them.
    """
    if task.kind == "prepare" or not (task.is_test or task.kind in ("train", "rank")):
        return 0 if task.kind == "prepare" else 9
    return max(1, 9 - round(2.4 * math.log(max(cost, 1.0))))


def cost_of(
    store: Store, task: Task, measure: Callable[[Spec, str], float] = relative_cost
) -> float:
    """The cost of a task's network, as the first run that wants it recorded it."""
    slug = task.subject.rsplit("-s", 1)[0]
    if slug in backbones.CATALOG or task.kind == "prepare":
        return backbones.relative_cost(slug)
    with contextlib.suppress(OrchError, OSError):  # an estimate must not stop the task
        backbone = store.load_trial(task.subject).backbone
        for run in store.wanted_by(task):
            return measure(run.spec, backbone)
    return backbones.TYPICAL_COST


def task_states(
    store: Store, run: Run | RunOutline, ledger: Ledger | None = None
) -> dict[str, str]:
    """The state of each task: `done`, `failed`, `blocked`, `stopped`, `cancelled` or `open`.

    `blocked` means that a task it depends on failed, `stopped` that a decision ended its trial
    before. `ledger` is a listing of the store; without
    one the store is listed now.
    """
    ledger = ledger or store.ledger()
    states: dict[str, str] = {}
    unfinished = "cancelled" if store.is_cancelled(run.name) else "open"
    blocked: set[str] = set()
    stops = decisions.read(store, run).stopped_now
    for task_id in run.tasks:
        kind, subject, rest = task_id.split(".", 2)
        if task_id in ledger.done:
            states[task_id] = "done"
        elif subject in stops and decisions.is_beyond(rest, stops[subject]):
            states[task_id] = "stopped"
        elif task_id in ledger.failed:
            states[task_id] = "failed"
            if kind == "prepare":
                blocked |= {subject} | other_data.trials_on(store, run, subject)
            elif kind == "train":
                blocked.add(subject)
        else:
            needs = {subject, rest.partition(f".{ON}")[2]}
            states[task_id] = "blocked" if needs & blocked else unfinished
    return states
