"""A store with a small prepared data set, and tasks executed in it as in a worker's child."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.data import image_folder
from jobs.spec.model import DataSettings, Recipe, Weights
from jobs.store.store import Store
from jobs.task import Task, TaskRequest, Trial
from models import entrypoint


@dataclass
class Laboratory:
    """A store, its data set, and the messages of the tasks executed so far."""

    store: Store
    data: str
    weights_dir: Path | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    @classmethod
    def of(cls, root: Path, images: Path, **settings: Any) -> Laboratory:
        """A new store with the data set of a folder, not yet prepared."""
        store = Store(root).open(create=True)
        source, chosen = image_folder.read_folder(images), DataSettings(**settings)
        data = source.data_id(chosen)
        store.save_data(data, source, chosen)
        return cls(store, data)

    def trial(
        self,
        backbone: str,
        marks: list[int],
        *,
        weights: Weights = "none",
        seed: int = 0,
        **recipe: Any,
    ) -> str:
        """Record a trial with its target epochs; returns its name."""
        trial = Trial(
            self.data, backbone, weights, Recipe(**({"precision": "fp32"} | recipe)), seed
        )
        self.store.save_trial(trial, marks, "run")
        return trial.name

    def order(self, task: Task, period: int = 1) -> TaskRequest:
        """The task request of a new attempt, with an empty work folder."""
        self.attempts += 1
        place = self.store.attempts_folder(task) / f"{self.attempts:04d}"
        place.mkdir(parents=True)
        weights_dir = str(self.weights_dir) if self.weights_dir else None
        return TaskRequest(
            task.id,
            str(self.store.root),
            str(self.attempts),
            str(place),
            period,
            "cpu",
            1,
            weights_dir,
        )

    def do(
        self,
        task: Task,
        should_stop: Callable[[], bool] = lambda: False,
        period: int = 1,
        **changed: Any,
    ) -> dict[str, Any]:
        """Execute a task, with some fields of the request changed, and publish its result."""
        order = replace(self.order(task, period), **changed)
        outcome = entrypoint.main(order.as_dict(), self.told.append, should_stop)
        self.store.publish_result(task, outcome, Path(order.work_folder), lambda: True)
        return outcome

    def prepare(self) -> dict[str, Any]:
        """Prepare the data set."""
        return self.do(Task("prepare", self.data))

    def train(self, trial: str, epoch: int, **how: Any) -> dict[str, Any]:
        """Train a trial up to an epoch."""
        return self.do(Task("train", trial, epoch), **how)

    def evaluate(self, trial: str, epoch: int, **how: Any) -> dict[str, Any]:
        """Evaluate a trial at an epoch."""
        return self.do(Task("evaluate", trial, epoch), **how)


def stop_after(calls: int) -> Callable[[], bool]:
    """A `should_stop` that is true from its n-th call on."""
    left = iter(range(calls))
    return lambda: next(left, None) is None
