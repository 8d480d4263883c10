"""What a checked request would do: its tasks, what they take, and what their results could show.

Nothing is written: everything is read from the specification, the data folder and the store.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from jobs import install_hints, plan
from jobs.plan import Plan
from jobs.settings import Settings
from jobs.spec.model import DataSettings, Spec
from jobs.spec.setting import Setting
from jobs.statistics.interval import LEVEL
from jobs.store.store import Store
from jobs.task import Trial
from orchestrator.analysis.power import POWER, Power
from orchestrator.planning import disagreement, estimate, images, nearest, tasks, workers
from orchestrator.planning.disagreement import Disagreement
from orchestrator.planning.estimate import Estimate, Measured
from orchestrator.planning.images import Images
from orchestrator.planning.nearest import Nearest
from orchestrator.planning.tasks import PlannedTask
from orchestrator.preflight import Request

NEEDS_SCIPY = f"needs scipy and numpy: {install_hints.install_command('report')}"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The plan of a request before it is submitted; `exists`: the run is recorded already.

    `varied` has the setting of each trial in a grid, empty where nothing varies. `near` has the
    nearest recorded trial of those that are not recorded. `power` is None with one
    candidate or where scipy is missing. `split_seeds` draw the data sets.
    """

    run: str
    exists: bool
    store: str
    data_sets: tuple[str, ...]
    images: Images
    trials: tuple[Trial, ...]
    varied: dict[str, Setting]
    near: dict[str, Nearest | None]
    tasks: tuple[PlannedTask, ...]
    estimate: Estimate
    candidates: int
    disagreement: Disagreement
    power: Power | None
    split_seeds: dict[str, int]

    @property
    def splits(self) -> int:
        """How many splits of the images there are."""
        return len(set(self.split_seeds.values()))

    @property
    def states(self) -> dict[str, int]:
        """How many tasks are new, resume, done, or failed before."""
        counts = Counter(task.state for task in self.tasks)
        return {state: counts[state] for state in ("new", "resumes", "done", "failed")}

    def as_dict(self) -> dict[str, Any]:
        """The forecast as JSON values; docs/planning.md describes each key."""
        return {
            "run": self.run,
            "exists": self.exists,
            "store": self.store,
            "data_sets": list(self.data_sets),
            "images": {**asdict(self.images), "total": self.images.total},
            "counts": self.states,
            "tasks": [asdict(task) for task in self.tasks],
            "trials": [
                {
                    "trial": trial.name,
                    "backbone": trial.backbone,
                    "setting": self.varied[trial.name],
                    "seed": trial.seed,
                    "data": trial.data,
                    "split_seed": self.split_seeds[trial.data],
                    "nearest": asdict(near) if (near := self.near.get(trial.name)) else None,
                }
                for trial in self.trials
            ],
            "estimate": asdict(self.estimate),
            "power": self._power(),
        }

    def _power(self) -> dict[str, Any] | None:
        if self.power is None:
            return None
        asked = self.disagreement
        return {
            "test_images": self.power.images,
            "pairs": self.power.pairs,
            "seeds": self.power.seeds,
            "splits": self.power.splits,
            "level": LEVEL,
            "power": POWER,
            "disagreement": asked.rate,
            "disagreement_from": asked.rate_from,
            "noise": asked.noise,
            "noise_from": asked.noise_from,
            "visible": self.power.visible,
            "target": self.power.target,
            "images_for_target": self.power.images_for_target,
            "seeds_for_target": self.power.seeds_for_target,
            "splits_for_target": self.power.splits_for_target,
        }


def forecast(
    request: Request, settings: Settings, n_workers: int | None, device: str | None
) -> Forecast:
    """The forecast of a checked request on the store of `settings`, which need not exist."""
    spec, source, store = request.spec, request.source, Store(settings.store)
    how: dict[str, DataSettings] = {}

    def named(prepared: DataSettings) -> str:
        name = source.data_id(prepared)
        how[name] = prepared
        return name

    unfolded, recorded = plan.unfold(spec, named), nearest.recorded(store)
    near = {
        trial.name: nearest.nearest(store, trial, how[trial.data], recorded)
        for trial in unfolded.trials
        if not store.has_trial(trial.name)
    }
    planned = tasks.planned(store, unfolded, how, near)
    counted = images.count(store, unfolded.data, source, how[unfolded.data])
    measured = Measured(store, recorded, {name: one.image_size for name, one in how.items()})
    fleet = workers.expected(store, settings, n_workers, device)
    asked = disagreement.measure(store, unfolded.data_sets, recorded)
    candidates = len({plan.label_of(spec, trial) for trial in unfolded.trials})
    return Forecast(
        run=unfolded.run,
        exists=request.known is not None,
        store=str(settings.store),
        data_sets=unfolded.data_sets,
        images=counted,
        trials=unfolded.trials,
        varied={trial.name: plan.setting_of(spec, trial) for trial in unfolded.trials},
        near=near,
        tasks=tuple(planned),
        estimate=estimate.estimate(unfolded, planned, counted, fleet, measured, _sides(how)),
        candidates=candidates,
        disagreement=asked,
        split_seeds={name: one.split_seed for name, one in how.items()},
        power=_power(unfolded, counted, candidates, spec, asked),
    )


def _sides(how: dict[str, DataSettings]) -> dict[str, int]:
    """The side in pixels of the stored images of each data set, margins included."""
    if not all(importlib.util.find_spec(name) for name in ("numpy", "PIL")):
        return {name: settings.image_size for name, settings in how.items()}
    from models.data.resize import Squaring

    return {name: Squaring.of(settings).stored for name, settings in how.items()}


def _power(
    unfolded: Plan, counted: Images, candidates: int, spec: Spec, asked: Disagreement
) -> Power | None:
    """What the results could show; None with one candidate, or without scipy."""
    pairs = candidates * (candidates - 1) // 2
    if not pairs:
        return None
    if not all(importlib.util.find_spec(name) for name in ("numpy", "scipy")):
        return None
    ratio = counted.test / max(counted.train, 1)
    return Power(counted.test, pairs, spec.seeds, asked.rate, asked.noise, spec.splits, ratio)
