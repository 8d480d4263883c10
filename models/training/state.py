"""The state of a training: resumed from a checkpoint or from the start, and saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jobs import atomic
from jobs.early_stopping import best_row, stop_of
from jobs.store.features import FeaturesRecord
from jobs.store.records import TaskResult
from jobs.store.store import Store
from jobs.task import Task, TaskRequest, Trial
from models.checkpoints import files, snapshot
from models.data.batches import Data
from models.data.gpu_cache import OnUpload, ignore_upload
from models.networks import of_trial
from models.runtime import device
from models.runtime.background import BackgroundThread
from models.runtime.out_of_memory import out_of_memory
from models.training import features, microbatches, numerics
from models.training.learner import Learner
from models.training.loop import EpochProgress
from models.training.loss import class_weights
from models.training.microbatches import Splits
from models.training.numerics import Numerics

Row = dict[str, Any]
ANSWERS = "answers"
"""The part of a checkpoint that holds the answers to the validation images."""


@dataclass(slots=True)
class TrainingState:
    """A training: the trial, `rows` of whole epochs, `running` of the next, last checkpoint.

    `features` is the record of the features that it trains on; None where it gets images.
    `answers` are those of the tested network to the validation images; None where they are unknown.
    """

    store: Store
    request: TaskRequest
    task: Task
    trial: Trial
    data: Data
    learner: Learner
    rows: list[Row] = field(default_factory=list)
    running: EpochProgress = field(default_factory=EpochProgress)
    path: Path | None = None
    best: dict[str, Tensor] | None = None
    answers: dict[str, Tensor] | None = None
    saved_at: float = field(default_factory=time.monotonic)
    saver: BackgroundThread = field(default_factory=BackgroundThread)
    publish: Callable[[Path, files.CheckpointContents, str], Path] = files.write
    features: FeaturesRecord | None = None

    @property
    def epoch(self) -> int:
        """Number of whole epochs done."""
        return len(self.rows)

    @property
    def stopped_early(self) -> int | None:
        """The epoch at which early stopping ended the trial, or None.

        Later target epochs are reached without further training.
        """
        return stop_of(self.rows, self.trial.recipe)

    def tested(self) -> dict[str, Tensor]:
        """The values of the network that a period tests: of the last epoch, or of the best."""
        return self.learner.tested() if self.best is None else self.best

    def keep_tested(self, row: Row, answers: dict[str, Tensor]) -> None:
        """Remember an epoch's answers before its row is added, if its network would be tested.

        Of the best epoch so far the network too, where it is to be kept.
        """
        if self.trial.recipe.keep != "best":
            self.answers = answers
        elif best_row([*self.rows, row], self.trial.recipe) == len(self.rows):
            self.answers = answers
            self.best = {
                name: value.detach().to("cpu", copy=True)
                for name, value in self.learner.tested().items()
            }

    @property
    def ended(self) -> bool:
        """Whether nothing is left to train."""
        return self.epoch >= self.task.epoch or self.stopped_early is not None

    @property
    def period(self) -> int:
        """Period of the next epoch; a resumed trial may be periods before its task's."""
        return 1 + sum(epoch <= self.epoch for epoch in self.store.target_epochs(self.trial.name))

    def results(self) -> list[TaskResult]:
        """Results of the trial's finished trainings."""
        target_epochs = self.store.target_epochs(self.trial.name)
        results = [
            self.store.done(Task("train", self.trial.name, epoch)) for epoch in target_epochs
        ]
        return [result for result in results if result]

    def save_if_due(self) -> None:
        """Start a checkpoint if the interval has passed and the last one is written."""
        every_s, free = self.request.checkpoint_every_s, self.saver.free()
        if free and every_s is not None and time.monotonic() - self.saved_at >= every_s:
            self.save()

    def save(self, at_rest: bool = False) -> None:
        """Start a checkpoint of this moment; it is written while the training continues.

        Without a copy of the state if the training is `at_rest` until it is written. Waits for the
        previous checkpoint, and for this one too if memory for a copy is lacking. Raises errors of
        the previous one.
        """
        self.saver.wait()
        contents = self._contents()
        copied = None if at_rest else snapshot.copy_state(contents.parts())
        self.saver.begin(
            partial(self._write, files.CheckpointContents(**copied) if copied else contents)
        )
        if copied is None and not at_rest:
            self.saver.wait()
        self.saved_at = time.monotonic()

    def last_checkpoint(self) -> Path:
        """The last checkpoint, once written; one of this moment if there is none."""
        self.saver.wait()
        if self.path is None:
            self.save(at_rest=True)
            return self.last_checkpoint()
        return self.path

    def _contents(self) -> files.CheckpointContents:
        learner, beside = self.learner, dict[str, dict[str, Tensor]]()
        if learner.average is not None or self.best is not None:
            beside["trained"] = learner.network.state_dict()
        if learner.average is not None:
            beside |= learner.average.state()
        if self.answers is not None:
            beside[ANSWERS] = self.answers
        return files.CheckpointContents(
            self.trial.name,
            self.epoch,
            self.running.step,
            asdict(self.running),
            self.rows,
            self.tested(),
            learner.optimizer.state_dict(),
            learner.scheduler.state_dict(),
            beside,
        )

    def _write(self, contents: files.CheckpointContents) -> None:
        """Publish a checkpoint, then remove those no longer needed."""
        folder = _checkpoints(self.store, self.trial)
        try:
            self.path = self.publish(folder, contents, self.request.attempt)
        except (MemoryError, RuntimeError) as error:
            explained = out_of_memory(error, self.request.alone)
            if explained is None:
                raise
            # Convert it here; otherwise the caller would split the batch.
            raise explained from error
        target_epochs = set(self.store.target_epochs(self.trial.name))
        referenced = {self.store.root / (result.checkpoint or "") for result in self.results()}
        files.prune(folder, target_epochs | {self.task.epoch}, referenced | {self.path})


def begin_training(request: TaskRequest, on_upload: OnUpload = ignore_upload) -> TrainingState:
    """The trial of a request, from its newest whole checkpoint, else from the start.

    For `on_upload` see `Data.near`.
    """
    store, task = Store(Path(request.store)), Task.parse(request.task)
    trial = store.load_trial(task.subject)
    data = Data.load(store, trial.data)
    checkpoint = files.restore(_checkpoints(store, trial), trial.name, task.epoch)
    if checkpoint is None:
        learner, head = from_start(store, request, trial, len(data.classes))
        data, kept_features = _data_of(store, trial, data, learner, head, on_upload)
        return TrainingState(store, request, task, trial, data, learner, features=kept_features)
    contents, path = checkpoint
    where = device.pick(request.device, trial.recipe.deterministic)
    trained = contents.beside.get("trained", contents.network)
    network = of_trial.restored(store, trial, len(data.classes), trained)
    kept = numerics.settle(store, trial, where, request.threads, None, network)
    splits = microbatches.read(store.microbatches_path(trial.name))
    head = of_trial.head_values(store, trial, len(data.classes), network)
    learner = _learner(network, trial, where, kept, splits, head)
    learner.optimizer.load_state_dict(contents.optimizer)
    learner.scheduler.load_state_dict(contents.scheduler)
    if learner.average is not None:
        learner.average.load_state(contents.beside)
    data, kept_features = _data_of(store, trial, data, learner, head, on_upload)
    return TrainingState(
        store,
        request,
        task,
        trial,
        data,
        learner,
        contents.rows,
        EpochProgress(**contents.running),
        path,
        contents.network if trial.recipe.keep == "best" and contents.rows else None,
        contents.beside.get(ANSWERS),
        features=kept_features,
    )


def from_start(
    store: Store, request: TaskRequest, trial: Trial, classes: int
) -> tuple[Learner, frozenset[str]]:
    """The trial before its first step, and the names of the values of its last layer.

    Bad weights are refused before anything is recorded.
    """
    weights = of_trial.weights_of(store, trial, request.weights_dir)
    network = of_trial.begun(store, trial, classes, weights)
    where = device.pick(request.device, trial.recipe.deterministic)
    digest = None if weights is None else atomic.file_digest(weights)
    kept = numerics.settle(store, trial, where, request.threads, digest, network)
    if weights is not None:
        kept.check_weights(weights, digest)
    splits = microbatches.read(store.microbatches_path(trial.name))
    head = of_trial.head_values(store, trial, classes, network)
    return _learner(network, trial, where, kept, splits, head), head


def _learner(
    network: nn.Module,
    trial: Trial,
    where: torch.device,
    kept: Numerics,
    splits: Splits,
    head: frozenset[str],
) -> Learner:
    shown = of_trial.normalisation_of(trial)
    precision, seed = kept.precision, trial.seed
    return Learner.of(network, trial.recipe, seed, where, precision, splits, shown, head)


def _data_of(
    store: Store,
    trial: Trial,
    data: Data,
    learner: Learner,
    head: frozenset[str],
    on_upload: OnUpload,
) -> tuple[Data, FeaturesRecord | None]:
    """What batches are made of: images, or where only the last layer is trained their features.

    With the record of the features.
    """
    record = None
    learner.class_weights = class_weights(trial.recipe, data, learner.device)
    if trial.recipe.finetune == "head":
        data, record = features.begin_head(store, trial, data, learner, head, on_upload)
    return data.near(learner.device, on_upload=on_upload), record


def _checkpoints(store: Store, trial: Trial) -> Path:
    return store.checkpoints_folder(trial.name)
