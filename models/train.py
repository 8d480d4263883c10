"""Train a trial up to an epoch, from wherever it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from jobs import files, results
from jobs.errors import BadCheckpoint, Stopped
from jobs.store import Store
from jobs.task import Order, Task, Trial
from models import backbones, checkpoint, device, numerics
from models.data.batches import Data
from models.loop import Learner, Running, train_epoch, validate
from models.progress import Progress, Tell

Row = dict[str, Any]
VALIDATION_COST = 1 / 3
"""The work of validating an image, in training images."""


@dataclass(slots=True)
class Training:
    """A trial under training: what it is, how far it has come, and where it puts its checkpoints."""

    store: Store
    order: Order
    task: Task
    trial: Trial
    data: Data
    learner: Learner
    numerics: numerics.Numerics
    rows: list[Row] = field(default_factory=list)
    running: Running = field(default_factory=Running)
    path: Path | None = None

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return len(self.rows)

    @property
    def folder(self) -> Path:
        """The trial's checkpoints."""
        return self.store.trial_folder(self.trial.name) / "checkpoints"

    def save(self) -> Path:
        """Publish a checkpoint of this moment, then remove those no longer needed."""
        learner = self.learner
        contents = checkpoint.Contents(
            self.trial.name, self.epoch, self.running.step, asdict(self.running), self.rows,
            learner.network.state_dict(), learner.optimizer.state_dict(), learner.scheduler.state_dict(),
        )
        self.path = checkpoint.publish(self.folder, contents, self.order.attempt)
        marks = set(self.store.marks(self.trial.name))
        done = [self.store.done(Task("train", self.trial.name, epoch)) for epoch in marks]
        referenced = {self.store.root / outcome["checkpoint"] for outcome in done if outcome}
        checkpoint.prune(self.folder, marks | {self.task.epoch}, referenced | {self.path})
        return self.path


def train(order: Order, tell: Tell, should_stop: Callable[[], bool]) -> Row:
    """Train until the task's epoch and return the outcome.

    Raises `Stopped` once `should_stop()` is true, with a checkpoint put down between two steps.
    """
    tell({"phase": "load"})
    training = begin(order)
    progress = Progress(tell, _work_left(training))
    while training.epoch < training.task.epoch:
        _one_epoch(training, progress, should_stop)
    return _outcome(training)


def begin(order: Order) -> Training:
    """The trial as its newest whole checkpoint has it, else from its start."""
    store, task = Store(Path(order.store)), Task.parse(order.task)
    trial = store.load_trial(task.subject)
    folder, where = store.trial_folder(trial.name), device.pick(order.device)
    data = Data.load(store, trial.data)
    found = checkpoint.restore(folder / "checkpoints", trial.name, task.epoch)
    weights_dir = Path(order.weights_dir) if order.weights_dir else None
    fresh = found is None or not (folder / "numerics.json").exists()
    weights = backbones.find_weights(trial.backbone, weights_dir) if fresh and trial.weights == "imagenet" else None
    settled = numerics.settle(folder, trial, where, order.threads, weights)
    if found is None:
        if weights is not None:
            settled.check_weights(weights)
        network = backbones.build(trial.backbone, len(data.classes), trial.seed, weights)
        learner = Learner.of(network, trial.recipe, trial.seed, where, settled.precision)
        return Training(store, order, task, trial, data, learner, settled)
    contents, path = found
    network = backbones.restored(trial.backbone, len(data.classes), contents.network)
    learner = Learner.of(network, trial.recipe, trial.seed, where, settled.precision)
    learner.optimizer.load_state_dict(contents.optimizer)
    learner.scheduler.load_state_dict(contents.scheduler)
    return Training(
        store, order, task, trial, data, learner, settled, contents.rows, Running(**contents.running), path
    )


def _one_epoch(training: Training, progress: Progress, should_stop: Callable[[], bool]) -> None:
    """Train the rest of one epoch, validate, step the scheduler, put a checkpoint down."""
    learner, data, running = training.learner, training.data, training.running
    epoch, total = training.epoch + 1, len(data.splits["train"])
    facts = {"epoch": epoch, "epochs": training.task.epoch}
    seen, seconds = running.images, running.seconds

    def after_step(running: Running) -> None:
        progress.advance(running.images - after_step.seen)  # type: ignore[attr-defined]
        after_step.seen = running.images  # type: ignore[attr-defined]
        rate = (running.images - seen) / max(running.seconds - seconds, 1e-9)
        progress.say("train", running.images, total, **facts, loss=running.loss, images_per_second=round(rate, 1))
        if should_stop():
            training.save()
            raise Stopped(f"{training.task.id} was stopped in epoch {epoch} after step {running.step}.")

    after_step.seen = seen  # type: ignore[attr-defined]
    used_rate = learner.learning_rate
    train_epoch(learner, data, epoch, running, after_step)
    started = time.monotonic()
    count = len(data.splits["validation"])
    val_loss, val_accuracy = validate(
        learner, data, epoch, lambda done: progress.say("validate", done, count, **facts, loss=running.loss)
    )
    progress.advance(count * VALIDATION_COST)
    learner.scheduler.step(val_loss)
    training.rows.append({
        "epoch": epoch, "train_loss": running.loss, "val_loss": val_loss, "val_accuracy": val_accuracy,
        "learning_rate": used_rate, "seconds": running.seconds + time.monotonic() - started,
        "images_per_second": running.images / max(running.seconds, 1e-9),
    })
    training.running = Running()
    training.save()


def _work_left(training: Training) -> float:
    """Images still to be trained on, validation counted in."""
    splits = training.data.splits
    an_epoch = len(splits["train"]) + len(splits["validation"]) * VALIDATION_COST
    return (training.task.epoch - training.epoch) * an_epoch - training.running.images


def _outcome(training: Training) -> Row:
    """The rows not yet published as files in the work folder, and the facts."""
    task, order, rows, path = training.task, training.order, training.rows, training.path
    if path is None:
        raise BadCheckpoint(f"{task.id} ended without a checkpoint; its epoch must be 1 or more.")
    earlier = [mark for mark in training.store.marks(task.subject) if mark < task.epoch]
    since = max(earlier, default=0)
    published = _publish_rows(training)
    return {
        "files": published,
        "epoch": task.epoch,
        "checkpoint": path.relative_to(training.store.root).as_posix(),
        "weights_digest": checkpoint.weights_digest(training.learner.network.state_dict()),
        "precision": training.numerics.precision,
        "threads": torch.get_num_threads(),
        "seconds": sum(row["seconds"] for row in rows[since:]),
        "device": device.describe(training.learner.device),
        "period": order.period,
    }


def _publish_rows(training: Training) -> dict[str, str]:
    """Write each unbroken stretch of unpublished epochs as one file; names in the work folder to places."""
    place, trial = results.folder("epochs", training.trial.name), training.trial
    covered = _covered(files.names(training.store.root / place))
    who = {"backbone": trial.backbone, "seed": trial.seed, "period": training.order.period}
    stretches: list[list[Row]] = []
    for row in training.rows:
        if row["epoch"] in covered:
            continue
        if not stretches or stretches[-1][-1]["epoch"] + 1 != row["epoch"]:
            stretches.append([])
        stretches[-1].append(who | row)
    published = {}
    for stretch in stretches:
        name = f"epochs-{stretch[0]['epoch']:04d}-{stretch[-1]['epoch']:04d}.parquet"
        results.write(Path(training.order.work_folder) / name, results.table_of("epochs", stretch))
        published[name] = f"{place}/{name}"
    return published


def _covered(names: list[str]) -> set[int]:
    """The epochs that files such as `epochs-0001-0010.parquet` hold."""
    covered: set[int] = set()
    for name in names:
        parts = name.removesuffix(".parquet").split("-")
        if len(parts) == 3 and parts[0] == "epochs":
            covered |= set(range(int(parts[1]), int(parts[2]) + 1))
    return covered
