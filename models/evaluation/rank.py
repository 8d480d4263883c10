"""Rank a network: how well a simple classifier answers from its pretrained features.

Test images are never used. Answers are to training and validation images, by cross-validation.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from jobs.errors import Stopped
from jobs.store import tables
from jobs.store.store import Store
from jobs.store.tables import build_table, table_folder, write_table
from jobs.task import Task, TaskRequest, Trial
from models.data.batches import Data
from models.evaluation import logme, probe
from models.evaluation.probe import Floats, Numbers, ProbeAnswers
from models.runtime import device
from models.runtime.progress import ProgressEstimator, Tell
from models.training.features import Features, features_of
from models.training.state import from_start

Row = dict[str, Any]
EVERY_S = 0.5
AT_ONCE = 4096
FEATURE_SHARE = 0.7
"""The share of the work that is assumed to be the features, until they are computed."""


def rank(request: TaskRequest, tell: Tell, should_stop: Callable[[], bool]) -> Row:
    """Judge the pretrained network of the task's trial; returns the task result.

    Raises `BadSpec` for a network without a single last layer, and `Stopped` once `should_stop()`
    is true. Features that were computed stay in the store.
    """
    tell({"phase": "load"})
    store, task = Store(Path(request.store)), Task.parse(request.task)
    trial = store.load_trial(task.subject)
    data = Data.load(store, trial.data)
    given, where = _features(store, request, trial, data, tell, should_stop)
    started = time.monotonic()
    judging = _Judging(task, tell, should_stop)
    values, labels = _floats(given), data.labels[given.rows]
    groups = _groups(store, data, given.rows)
    judged = judging.attend(lambda: _judged(values, labels, groups, len(data.classes), judging))
    seconds = time.monotonic() - started
    facts = _facts(judged, labels, given.record.seconds, seconds, where)
    rows = _answers(judged[0], data, given.rows, groups)
    published = _written(Path(request.work_folder), trial, facts, values, judged, rows)
    return {"files": published, **facts}


def _features(
    store: Store,
    request: TaskRequest,
    trial: Trial,
    data: Data,
    tell: Tell,
    should_stop: Callable[[], bool],
) -> tuple[Features, str]:
    """The features of the trial's images, and the device that they are computed on."""
    learner, values = from_start(store, request, trial, len(data.classes))
    progress = ProgressEstimator(tell, 1.0)

    def computed(done: int, total: int) -> None:
        progress.done_work = FEATURE_SHARE * done / total
        progress.say("features", done, total)
        if should_stop():
            raise Stopped(f"{request.task} was stopped after {done} of {total} images.")

    given = features_of(store, trial, data, learner, values, computed, averaged=True)
    return given, device.describe(learner.device)


def _floats(given: Features) -> Floats:
    """The features of each image (n, values) in float32, means over all places of an image."""
    parts = []
    for start in range(0, len(given.values), AT_ONCE):
        part = torch.from_numpy(np.array(given.values[start : start + AT_ONCE]))
        if part.dtype == torch.int16:
            part = part.view(torch.bfloat16)
        parts.append(given.head.averaged(part).numpy())
    return np.concatenate(parts)


def _groups(store: Store, data: Data, rows: Numbers) -> list[str]:
    """What must stay in one fold, for each of these images: its group, else its equal images.

    Equal images are named by the first of them, so that all networks have the same folds.
    """
    pixels = tables.read_table(store.manifest_path(data.name), tables.MANIFEST)["pixels"]
    equal = pixels.to_pylist()
    group_of: dict[str, str] = {}
    if store.inventory_path(data.name).exists():
        names = ["path", "group"]
        inventory = tables.read_table(store.inventory_path(data.name), tables.INVENTORY, names)
        paths, groups = (inventory[name].to_pylist() for name in names)
        group_of = {path: name for path, name in zip(paths, groups, strict=True) if name}
    first_of = {equal[row]: data.paths[row] for row in reversed(rows)}
    told = (group_of.get(data.paths[row]) for row in rows)
    return [
        f"equal {first_of[equal[row]]}" if name is None else f"group {name}"
        for row, name in zip(rows, told, strict=True)
    ]


@dataclass(slots=True)
class _Judging:
    """Tells of steps done and looks whether to stop, while a thread computes."""

    task: Task
    tell: Tell
    should_stop: Callable[[], bool]
    total: int = 2 * probe.FOLDS + 1
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def step(self, done: int) -> None:
        """So many steps are done."""
        self.done = done

    def attend(self, compute: Callable[[], Any]) -> Any:
        """The result of `compute`, which cannot be interrupted; raises its error, or `Stopped`.

        The thread is a daemon, so that a process that was told to stop ends at once.
        """
        ended: list[tuple[Any, BaseException | None]] = []

        def run() -> None:
            try:
                with threadpool_limits(torch.get_num_threads()):  # sums depend on their number
                    ended.append((compute(), None))
            except BaseException as error:
                ended.append((None, error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(EVERY_S)
            self._say()
        result, error = ended[0]
        if error is not None:
            raise error
        return result

    def _say(self) -> None:
        message: dict[str, Any] = {"phase": "probe", "done": self.done, "total": self.total}
        if self.done:
            spent = time.monotonic() - self.started
            message["eta_s"] = round(spent / self.done * (self.total - self.done), 1)
        self.tell(message)
        if self.should_stop():
            raise Stopped(f"{self.task.id} was stopped after {self.done} of {self.total} steps.")


def _judged(
    values: Floats, labels: Numbers, groups: Sequence[str], classes: int, judging: _Judging
) -> tuple[ProbeAnswers, float]:
    """The answers by cross-validation, and LogME of all images."""
    answers = probe.judge(values, labels, probe.folds(labels, groups), judging.step)
    return answers, logme.logme(values, labels, classes)


def _facts(
    judged: tuple[ProbeAnswers, float],
    labels: Numbers,
    feature_seconds: float | None,
    probe_seconds: float,
    where: str,
) -> Row:
    answers, total = judged[0], len(labels)
    correct = int((answers.probe == labels).sum())
    return {
        "correct": correct,
        "total": total,
        "accuracy": correct / total,
        "knn_accuracy": float((answers.neighbours == labels).mean()),
        "feature_seconds": feature_seconds or 0.0,
        "probe_seconds": probe_seconds,
        "seconds": (feature_seconds or 0.0) + probe_seconds,
        "device": where,
    }


def _answers(answers: ProbeAnswers, data: Data, rows: Numbers, groups: Sequence[str]) -> list[Row]:
    names = (*data.classes, None)  # -1: never answered
    return [
        {
            "image": data.paths[row],
            "label": data.classes[data.labels[row]],
            "fold": int(answers.fold[place]),
            "group": groups[place],
            "predicted": names[answers.probe[place]],
            "knn_predicted": names[answers.neighbours[place]],
        }
        for place, row in enumerate(rows)
    ]


def _written(
    folder: Path,
    trial: Trial,
    facts: Row,
    values: Floats,
    judged: tuple[ProbeAnswers, float],
    rows: list[Row],
) -> dict[str, str]:
    """Write the tables; the name of each file, and its place in the store."""
    answers, evidence = judged
    who = {"backbone": trial.backbone, "seed": trial.seed, "period": 0, "epoch": 0}
    row = {
        **who,
        "images": len(rows),
        "folds": len(np.unique(answers.fold)),
        "features": values.shape[1],
        "neighbours": answers.voters,
        "probe_accuracy": facts["accuracy"],
        "logme": evidence,
        **{key: facts[key] for key in ("knn_accuracy", "feature_seconds", "probe_seconds")},
        "device": facts["device"],
        "recipe": trial.recipe_text,
    }
    published = {}
    for name, those in (("rankings", [row]), ("ranking_answers", [who | each for each in rows])):
        write_table(folder / f"{name}.parquet", build_table(name, those))
        published[f"{name}.parquet"] = f"{table_folder(name, trial.name)}/e0000.parquet"
    return published
