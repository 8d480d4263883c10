"""Expand a specification into tasks, with what each costs and its priority in the queue.

The data set is prepared first. Each trial is then trained from one target epoch to the next. A
target epoch can be evaluated while the next one is trained. Evaluations on corrupted images may
follow the last target epoch. Which of the tasks can start is in `readiness`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.catalog import backbones
from jobs.errors import OrchError
from jobs.spec import setting
from jobs.store.store import Store
from jobs.task import Task, Trial, TrialNetwork

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


def period_closed_by(store: Store, task: Task) -> int:
    """The period (from 1) that a task completes, counted over all target epochs of its trial."""
    return sum(1 for epoch in store.target_epochs(task.subject) if epoch <= task.epoch)


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
