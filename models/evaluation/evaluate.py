"""Evaluate a trial at a target epoch on its test images, or on other data.

Predictions are kept for uncorrupted images; for corrupted ones only their sums. Those of other data
have tables of their own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jobs.catalog import corruptions
from jobs.errors import BadFolder, LossNotFinite, Stopped
from jobs.store.store import Store
from jobs.store.tables import build_table, table_folder, write_table
from jobs.task import ON, Task, TaskRequest, Trial
from models.data.augment import Change
from models.data.batches import Data
from models.data.corruptions import corrupter
from models.evaluation import restore
from models.runtime import device
from models.runtime.progress import ProgressEstimator, Tell
from models.training.inference import losses_of, predict_split, ranks
from models.training.learner import Learner

Row = dict[str, Any]


def evaluate(request: TaskRequest, tell: Tell, should_stop: Callable[[], bool]) -> Row:
    """Predict every test image with the checkpoint of the task's epoch; returns the task result."""
    tell({"phase": "load"})
    store, task = Store(Path(request.store)), Task.parse(request.task)
    trial, training = store.load_trial(task.subject), Task("train", task.subject, task.epoch)
    data = _data(store, trial, task)
    learner = restore.learner(store, training, len(data.classes), request.device)
    # After early stopping the epoch is that of the stop, whatever the target epoch.
    trained = store.done(training)
    epoch = task.epoch if trained is None or trained.epoch is None else trained.epoch
    started = time.monotonic()
    level = task.corruption
    corruption, severity = corruptions.parse_level(level) if level else ("none", 0)
    loss_sum, rows = _answers(
        learner, data, tell, should_stop, task, corrupter(corruption, severity)
    )
    correct, total = sum(row["label_rank"] == 0 for row in rows), len(rows)
    facts = {
        "loss": loss_sum / total,
        "correct": correct,
        "total": total,
        "accuracy": correct / total,
        "seconds": time.monotonic() - started,
    }
    who = {"backbone": trial.backbone, "seed": trial.seed, "period": request.period, "epoch": epoch}
    who["recipe"] = trial.recipe_text
    of_whom = who | ({"data": task.data} if task.data else {})
    tables = {"evaluations": [of_whom | {"corruption": corruption, "severity": severity} | facts]}
    if not task.corruption:
        tables["predictions"] = [of_whom | row for row in rows]
    published = _written(Path(request.work_folder), task, tables)
    return {"files": published, "epoch": epoch, **facts, "device": device.describe(learner.device)}


def _written(folder: Path, task: Task, tables: dict[str, list[Row]]) -> dict[str, str]:
    """Write the tables; the name of each file, and its place in the store."""
    published = {}
    suffix = f"-{ON}{task.data}" if task.data else f"-{task.corruption}" if task.corruption else ""
    for name, rows in tables.items():
        table = f"other_{name}" if task.data else name
        write_table(folder / f"{table}.parquet", build_table(table, rows))
        place = f"{table_folder(table, task.subject)}/e{task.epoch:04d}{suffix}.parquet"
        published[f"{table}.parquet"] = place
    return published


def _data(store: Store, trial: Trial, task: Task) -> Data:
    """The trial's data set; for an evaluation on other data those, with the trial's classes.

    Of other data all images are tested, but for those of classes that the trial does not know.
    Raises `BadFolder` where none is left.
    """
    if not task.data:
        return Data.load(store, trial.data)
    other, classes = Data.load(store, task.data), store.described(trial.data).classes
    place = {label: number for number, label in enumerate(classes)}
    known = np.array([place.get(label, -1) for label in other.classes], np.int64)
    labels = known[other.labels]
    if not (labels >= 0).any():
        raise BadFolder(f"{task.data} has no image of a class that {trial.name} was trained on.")
    return replace(
        other, classes=classes, labels=labels, splits={"test": np.flatnonzero(labels >= 0)}
    )


def _answers(
    learner: Learner,
    data: Data,
    tell: Tell,
    should_stop: Callable[[], bool],
    task: Task,
    change: Change,
) -> tuple[float, list[Row]]:
    """Summed loss, and a row per image: path, class, prediction, confidences, rank."""
    total = len(data.splits["test"])
    progress, losses, rows = ProgressEstimator(tell, total), list[float](), list[Row]()
    for piece, true, scores in predict_split(learner, data, "test", change):
        if should_stop():
            raise Stopped(
                f"{task.id} was stopped after {len(rows)} of {total} images. It will start again "
                "from the first image."
            )
        losses += losses_of(scores, true)
        shares = torch.softmax(scores, 1).numpy()
        labels, predicted = data.labels[piece], scores.argmax(1).numpy()
        placed = ranks(scores.numpy(), labels)
        for row, index in enumerate(piece):
            rows.append(
                {
                    "image": data.paths[index],
                    "label": data.classes[labels[row]],
                    "predicted": data.classes[predicted[row]],
                    "confidence": float(shares[row, predicted[row]]),
                    "label_confidence": float(shares[row, labels[row]]),
                    "label_rank": int(placed[row]),
                }
            )
        progress.advance(len(piece))
        progress.say("evaluate", len(rows), total, epoch=task.epoch)
    loss_sum = math.fsum(losses)
    if not math.isfinite(loss_sum):
        raise LossNotFinite(
            f"the test loss at epoch {task.epoch} is {loss_sum}. {learner.smaller_rate}"
        )
    return loss_sum, rows
