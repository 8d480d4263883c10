"""A simulated study: what things cost, how fast workers are, and how far the trials are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from jobs.plan import Plan
from jobs.task import Task
from workers.scheduling import rebalance, throughput

IMAGES_PER_EPOCH = 44_665.0
"""Of the study's 60,907 images, 70% are for training and 10% for validation.

A validation image takes a third of the time of a training image.
"""
EVALUATION_EPOCHS = 0.2 * 60_907 / 3 / IMAGES_PER_EPOCH


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that things take besides the arithmetic, and the relative error of measured rates.

    `begin_s`: begin a task on the fastest GPU. `stop_s`: stop and save a checkpoint. `look_s`:
    between two checks whether to stop. `reconcile_s`: between two rounds of a reconciler.
    `measured_s`: the shortest training whose rate is measured.
    """

    prepare_s: float = 20.0
    begin_s: float = 1.0
    stop_s: float = 2.0
    message_s: float = 0.1
    look_s: float = 1.0
    reconcile_s: float = 2.0
    measured_s: float = 5.0
    noise: float = 0.03


@dataclass(frozen=True, slots=True)
class Truth:
    """The true speed of each worker (the fastest has 1), and its training rates.

    A rate is in images per second; there is one for each backbone.
    """

    speeds: tuple[float, ...]
    rates: tuple[dict[str, float], ...]

    def epochs_s(self, worker: int, backbone: str, epochs: float) -> float:
        """Seconds that a worker needs for some epochs."""
        return epochs * IMAGES_PER_EPOCH / self.rates[worker][backbone]


@dataclass(slots=True)
class SimulatedWorker:
    """A worker: its task, what it knows of its own rates, and its part in a reassignment.

    `requested` is the trial that it plan to take over, `holder` the worker that it plan.
    `deferred` is its own next training meanwhile. `message` is a task sent to its own queue.
    """

    place: int
    rates: dict[str, float]
    task: Task | None = None
    since: float = 0.0
    ends_at: float = 0.0
    stops_at: float | None = None
    requested: str | None = None
    holder: SimulatedWorker | None = None
    deferred: Task | None = None
    message: Task | None = None
    heartbeat: rebalance.Peer = field(default_factory=lambda: rebalance.Peer("", {}))

    @property
    def name(self) -> str:
        """The worker's name, such as `w03`."""
        return f"w{self.place:02d}"


class SimulatedStudy:
    """How far the study is: the tasks that are done, the leases, and the epochs of each trial."""

    def __init__(self, planned: Plan, truth: Truth, costs: Costs) -> None:
        self.planned, self.truth, self.costs = planned, truth, costs
        self.done, self.held = set[Task](), set[str]()
        self.backbones = {trial.name: trial.backbone for trial in planned.trials}
        self.epochs = {trial.name: 0.0 for trial in planned.trials}

    def following(self, task: Task) -> list[Task]:
        """The tasks that become ready when a task is done.

        After the data set, the first training of every trial. After a training, its evaluation and
        the training up to the next target epoch.
        """
        targets = self.planned.target_epochs
        if task.kind == "prepare":
            return [Task("train", trial.name, targets[0]) for trial in self.planned.trials]
        if task.kind == "evaluate":
            return []
        later = [target for target in targets if target > task.epoch]
        return [
            Task("evaluate", task.subject, task.epoch),
            *(Task("train", task.subject, target) for target in later[:1]),
        ]

    def begin_s(self, worker: SimulatedWorker) -> float:
        """Seconds that a worker needs to begin a task."""
        return self.costs.begin_s / self.truth.speeds[worker.place]

    def work_s(self, worker: SimulatedWorker, task: Task) -> float:
        """Seconds that a worker needs for a task, besides beginning it."""
        if task.kind == "prepare":
            return self.costs.prepare_s - self.begin_s(worker)
        epochs = (
            EVALUATION_EPOCHS if task.kind == "evaluate" else task.epoch - self.epochs[task.subject]
        )
        return self.truth.epochs_s(worker.place, self.backbones[task.subject], epochs)

    def rate(self, worker: SimulatedWorker, task: Task) -> float:
        """The true images per second of a worker on a training."""
        return self.truth.rates[worker.place][self.backbones[task.subject]]

    def position(self, worker: SimulatedWorker, when: float) -> float:
        """The epochs that the worker's trial has been trained for at that time."""
        task = cast(Task, worker.task)
        trained_s = max(0.0, when - worker.since - self.begin_s(worker))
        rate = self.rate(worker, task) / IMAGES_PER_EPOCH
        return min(float(task.epoch), self.epochs[task.subject] + trained_s * rate)

    def kind_of(self, task: Task) -> str:
        """The kind of a training, as workers record rates by it."""
        return throughput.training_kind(self.backbones[task.subject], 224, None)

    def training(self, task: Task, position: float | None = None) -> rebalance.ActiveTraining:
        """A training and its remaining images, from its trial's saved epochs or from `position`."""
        epochs = self.epochs[task.subject] if position is None else position
        left = (self.planned.target_epochs[-1] - epochs) * IMAGES_PER_EPOCH
        return rebalance.ActiveTraining(task.id, self.kind_of(task), left)

    def unheld(self) -> list[rebalance.ActiveTraining]:
        """The trials that are not finished and that no worker is training."""
        last = self.planned.target_epochs[-1]
        return [
            self.training(Task("train", name, last))
            for name in self.backbones
            if f"train.{name}" not in self.held and self.epochs[name] < last
        ]
