"""Train a trial up to an epoch, from wherever it stopped: `state.begin_training` finds where."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import to_builtins

from jobs.errors import BatchSplit, Crowded, OutOfMemory, Stopped
from jobs.store.features import FeaturesRecord
from jobs.task import TaskRequest, Trial
from models.checkpoints import files
from models.data.gpu_cache import OnUpload
from models.networks import licences
from models.runtime import device
from models.runtime.out_of_memory import out_of_memory
from models.runtime.progress import ProgressEstimator, Tell
from models.runtime.resource_meter import Meter, taken_memory
from models.training import microbatches, optimisation, validation_answers
from models.training.epoch_rows import write_unpublished
from models.training.inference import validate
from models.training.loop import EpochProgress, train_epoch
from models.training.state import TrainingState, begin_training

VALIDATION_COST = 1 / 3
"""The work of validating an image, in training images."""


def train(
    request: TaskRequest,
    tell: Tell,
    should_stop: Callable[[], bool],
    begin: Callable[[TaskRequest, OnUpload], TrainingState] = begin_training,
) -> dict[str, Any]:
    """Train until the task's epoch or early stopping, and return the task result.

    Raises `BatchSplit` when a batch did not fit into memory and the next attempt uses smaller
    parts, `OutOfMemory` when it cannot be split further, and `Crowded` when it did not fit beside
    other tasks. Raises `Stopped` once `should_stop()` is true, after writing a checkpoint between
    two steps.
    """
    tell({"phase": "load"})
    uploading = ProgressEstimator(tell, 0.0)

    def uploaded(done: int, total: int) -> None:
        uploading.say("load", done, total)
        if should_stop():
            raise Stopped(f"{request.task} was stopped while its images were sent to the device.")

    training = begin(request, uploaded)
    meter = Meter.begin(training.learner.device, _position(training))
    callbacks = TrainingCallbacks(
        training, ProgressEstimator(tell, _work_left(training)), should_stop
    )
    with training.saver:
        while not training.ended:
            _one_epoch(training, callbacks)
        return _outcome(training, meter)


@dataclass(slots=True)
class TrainingCallbacks:
    """Callbacks of a training: report progress, and stop it when requested."""

    training: TrainingState
    progress: ProgressEstimator
    should_stop: Callable[[], bool]
    images: int = 0
    seconds: float = 0.0
    images_before: int = 0

    def open(self, running: EpochProgress) -> None:
        """An epoch begins, or resumes from `running`."""
        self.images = self.images_before = running.images
        self.seconds = running.seconds

    def trained(self, running: EpochProgress, settled: bool) -> None:
        """A step is done; `settled` when its loss is known."""
        if settled:
            self.progress.advance(running.images - self.images)
            self.images = running.images
            rate = (running.images - self.images_before) / max(running.seconds - self.seconds, 1e-9)
            self._say("train", running.images, "train", images_per_second=round(rate, 1))
            self.training.save_if_due()
        self._stop_if_asked(f"step {running.step}")

    def validated(self, images: int) -> None:
        """More images are validated."""
        self._say("validate", images, "validation")
        self._stop_if_asked("its last step")

    def _say(self, phase: str, done: int, split: str, **facts: Any) -> None:
        training = self.training
        self.progress.say(
            phase,
            done,
            len(training.data.splits[split]),
            epoch=training.epoch + 1,
            epochs=training.task.epoch,
            loss=round(training.running.loss, 6),
            memory_bytes=taken_memory(training.learner.device),
            **facts,
        )

    def _stop_if_asked(self, after: str) -> None:
        if self.should_stop():
            raise Stopped(
                f"{self.training.task.id} was stopped in epoch {self.training.epoch + 1} after "
                f"{after}."
            )


def _one_epoch(training: TrainingState, callbacks: TrainingCallbacks) -> None:
    """Train the rest of an epoch, validate, step the scheduler, save a checkpoint."""
    learner, data, running, epoch = (
        training.learner,
        training.data,
        training.running,
        training.epoch + 1,
    )
    used_rate = learner.learning_rate
    callbacks.open(running)
    try:
        _train_epoch(training, callbacks)
        started = time.monotonic()
        validation = validate(learner, data, epoch, callbacks.validated)
    except Stopped:
        training.save(at_rest=True)
        training.saver.wait()
        raise
    callbacks.progress.advance(len(data.splits["validation"]) * VALIDATION_COST)
    row = {
        "backbone": training.trial.backbone,
        "seed": training.trial.seed,
        "period": training.period,
        "epoch": epoch,
        "train_loss": running.loss,
        **validation.columns,
        "learning_rate": used_rate,
        "seconds": running.seconds + time.monotonic() - started,
        "images_per_second": running.images / max(running.seconds, 1e-9),
    }
    training.keep_tested(row, validation.answers)
    optimisation.step_scheduler(learner.scheduler, learner.recipe, validation.loss)
    training.rows.append(row)
    training.running = EpochProgress()
    training.save(at_rest=training.ended)


def _train_epoch(training: TrainingState, callbacks: TrainingCallbacks) -> None:
    """Train the rest of an epoch; a step out of memory halves the parts of the next attempt."""
    epoch, running = training.epoch + 1, training.running
    try:
        train_epoch(training.learner, training.data, epoch, running, callbacks.trained)
    except (MemoryError, RuntimeError) as error:
        explained = out_of_memory(error, training.request.alone)
        if explained is None:
            raise
        if isinstance(explained, Crowded):
            # The batch must not be split because of a neighbour.
            raise explained from error
        path = training.store.microbatches_path(training.trial.name)
        images = training.trial.recipe.batch_size
        parts = microbatches.halve(path, epoch, running.step, images)
        if parts is None:
            raise OutOfMemory(
                f"{explained} This was in epoch {epoch}, step {running.step}, with the batch of "
                f"{images} already split into single images."
            ) from error
        raise BatchSplit(
            f"a batch of {images} did not fit into memory in epoch {epoch}, step {running.step}. "
            f"From this step on, batches are split into {parts} micro-batches."
        ) from error


def _work_left(training: TrainingState) -> float:
    """Images still to be trained on, validation included."""
    splits = training.data.splits
    an_epoch = len(splits["train"]) + len(splits["validation"]) * VALIDATION_COST
    return (training.task.epoch - training.epoch) * an_epoch - training.running.images


def _position(training: TrainingState) -> float:
    """Epochs done, with a fraction."""
    return training.epoch + training.running.images / max(len(training.data.splits["train"]), 1)


def _outcome(training: TrainingState, meter: Meter) -> dict[str, Any]:
    """Unpublished rows as files in the work folder, and the facts of the result.

    `seconds` counts from the previous target epoch, without features. Measured resources are of
    this attempt alone, from `measured_from` on.
    """
    task, store = training.task, training.store
    # While the last checkpoint is still being written.
    weights_digest = files.weights_digest(training.tested())
    recorded = {file.path for result in training.results() for file in result.files or ()}
    recipe = {"recipe": training.trial.recipe_text}
    since = max(
        (epoch for epoch in store.target_epochs(task.subject) if epoch < task.epoch), default=0
    )
    folder = Path(training.request.work_folder)
    rows = [row | recipe for row in training.rows]
    files_of_epochs = write_unpublished(rows, training.trial.name, store.root, folder, recorded)
    return {
        "files": files_of_epochs | validation_answers.write(training, folder),
        "epoch": training.epoch,
        "stopped_early": training.stopped_early is not None,
        "checkpoint": training.last_checkpoint().relative_to(store.root).as_posix(),
        "weights_digest": weights_digest,
        "precision": training.learner.precision,
        "threads": torch.get_num_threads(),
        "micro_batches": [
            to_builtins(split) for split in training.learner.splits if split.epoch <= task.epoch
        ],
        "seconds": sum(row["seconds"] for row in training.rows[since:]),
        "device": device.describe(training.learner.device),
        **_of_features(training.features),
        **_licence(training.trial),
        **meter.read(),
    }


def _licence(trial: Trial) -> dict[str, str]:
    """The licence that the library states of the initial weights, where it states one."""
    stated = licences.of_trial(trial)
    return {} if stated is None else {"weights_licence": stated}


def _of_features(record: FeaturesRecord | None) -> dict[str, Any]:
    """What the features that it trained on cost when they were computed, and by whom."""
    if record is None:
        return {}
    facts = {
        "feature_seconds": record.seconds,
        "feature_joules": record.energy_joules,
        "features_by": record.trial,
    }
    return {key: value for key, value in facts.items() if value is not None}
