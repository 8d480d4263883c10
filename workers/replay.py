"""Retrain a trial with kills at random points, and compare the results with the published ones.

The replay uses its own store in a temporary folder. It has the same trial, numerics, prepared data
and own files of networks (linked), one target epoch, and no checkpoint. Children are killed without
warning and restarted until the trial is trained.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from jobs import atomic
from jobs.errors import LeaseLost, StoreUnusable, WorkerLost
from jobs.store import codec, tables
from jobs.store.records import NumericsRecord, TaskResult
from jobs.store.store import Store
from jobs.task import CHILD_ENTRY, Task, TaskRequest
from workers.devices import discovery
from workers.devices.discovery import Device
from workers.process import child

TIMES = {"seconds", "images_per_second"}
LATEST_S = 0.5

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Result of a replay.

    `kills` are the kills made. `same_weights` and `same_rows` tell whether the weights and the
    epoch rows (without times) equal the published ones. `seconds` is the duration of the replay.
    """

    trial: str
    epoch: int
    kills: int
    seconds: float
    same_weights: bool
    same_rows: bool


def replay_trial(
    store: Store,
    trial: str,
    *,
    kills: int,
    seed: int,
    weights_dir: Path | None,
    tell: Tell = lambda message: None,
    entry: str = CHILD_ENTRY,
) -> ReplayResult:
    """Retrain `trial` up to its last published epoch; `seed` determines the points of the kills.

    `tell` receives the children's messages, and `{"phase": "killed", "done": n, "total": kills}`.
    Raises `StoreUnusable` when nothing of the trial is published yet, and `NoSuchDevice` without a
    free device of the recorded kind. Errors of the training propagate.
    """
    results = _published(store, trial)
    device, lock = _choose_recorded_device(store, trial)
    os.environ.update(device.environment())
    child.start_fork_server()
    task, began = Task("train", trial, max(results)), time.monotonic()
    seconds = sum(float(result.seconds or 0.0) for result in results.values())
    fates = _fates(random.Random(seed), kills, task.epoch, seconds, tell)
    folder = Path(tempfile.mkdtemp(prefix=".replay-", dir=store.root))
    try:
        copy, often = _copy(store, trial, folder, task.epoch), max(0.5, seconds / (kills + 1) / 4)
        request = _request(task, copy, folder / "work", device, weights_dir, often)
        killed, result = _train(request, fates, entry)
        epochs = tables.table_folder("epochs", trial)
        names = [name for name, place in result["files"].items() if place.startswith(epochs)]
        rows = tables.read_files([folder / "work" / name for name in names])
        same_rows = _timeless(rows) == _timeless(_published_rows(store, task))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.close()
    same_weights = result["weights_digest"] == results[task.epoch].weights_digest
    took_s = time.monotonic() - began
    return ReplayResult(trial, task.epoch, killed, took_s, same_weights, same_rows)


def _request(
    task: Task,
    store: Store,
    work_folder: Path,
    device: Device,
    weights_dir: Path | None,
    checkpoint_every_s: float,
) -> TaskRequest:
    return TaskRequest(
        task=task.id,
        store=str(store.root),
        attempt="",
        work_folder=str(work_folder),
        period=1,
        device=device.kind,
        threads=device.threads,
        weights_dir=str(weights_dir) if weights_dir else None,
        checkpoint_every_s=checkpoint_every_s,
    )


def _published(store: Store, trial: str) -> dict[int, TaskResult]:
    """Results of the trial's finished trainings by target epoch; raises if there is none."""
    results = {
        epoch: result
        for epoch in store.target_epochs(trial)
        if (result := store.done(Task("train", trial, epoch))) is not None
    }
    if not results:
        raise _nothing_trained(trial)
    return results


def _nothing_trained(trial: str) -> StoreUnusable:
    return StoreUnusable(
        f"nothing of the trial {trial} is trained yet, so there is nothing to compare with."
    )


def _choose_recorded_device(store: Store, trial: str) -> tuple[Device, IO[str] | None]:
    """A free device of the kind that trained the trial, with its lock."""
    numerics = codec.read(store.numerics_path(trial), NumericsRecord)
    if numerics is None:
        raise _nothing_trained(trial)
    kind = numerics.device
    device, lock = discovery.choose_device("cpu" if kind == "cpu" else None, numerics.threads)
    if device.kind != kind:
        raise discovery.NoSuchDevice(
            f"the trial {trial} was trained on {kind}, and no free one was found. "
            "Run the command on a machine that has one."
        )
    return device, lock


def _published_rows(store: Store, task: Task) -> list[dict[str, Any]]:
    rows = tables.read_rows(store.root, "epochs", [task.subject]).to_pylist()
    return [row for row in rows if row["epoch"] <= task.epoch]


def _copy(store: Store, trial: str, folder: Path, epoch: int) -> Store:
    """Create a store that holds the trial as it was before its first epoch."""
    copy = Store(folder / "store").open(create=True)
    described = store.load_trial(trial)
    copy.save_trial(described, [epoch], "replay")
    for name in atomic.list_names(store.trial_folder(trial)):
        if name.endswith(".json"):
            shutil.copy(store.trial_folder(trial) / name, copy.trial_folder(trial) / name)
    _link(store.data_folder(described.data), copy.data_folder(described.data))
    for name in () if described.network is None else described.network.files:
        _link(store.network_path(name), copy.network_path(name))
    preparing = Task("prepare", described.data)
    prepared = store.done(preparing)
    if prepared is None:
        raise _nothing_trained(trial)
    atomic.write_json(copy.done_path(preparing), codec.encode(prepared))
    return copy


def _link(kept: Path, link: Path) -> None:
    """Make a file or folder of the store appear in the copy."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(kept.absolute(), target_is_directory=kept.is_dir())


@dataclass(slots=True)
class _Fate:
    """When to kill one child: `later_s` seconds after it first reports `epochs` epochs."""

    epochs: float
    later_s: float
    tell: Tell
    until: float = float("inf")

    def hear(self, message: dict[str, Any]) -> None:
        """Pass on a message of the child, and schedule the kill once it has come far enough."""
        self.tell(message)
        if message.get("phase") in ("train", "validate") and self.until == float("inf"):
            share = message["done"] / message["total"] if message["phase"] == "train" else 1.0
            if message["epoch"] - 1 + share >= self.epochs:
                self.until = time.monotonic() + self.later_s

    def lives(self) -> bool:
        """Whether the child may still run."""
        return time.monotonic() < self.until


def _fates(rng: random.Random, kills: int, epochs: int, seconds: float, tell: Tell) -> list[_Fate]:
    """One `_Fate` per kill, at random epochs, and a last one for the child that is not killed."""
    latest_s = min(LATEST_S, max(0.0, seconds / 20 - LATEST_S))
    points = sorted(rng.uniform(0, epochs) for _ in range(kills))
    drawn = [_Fate(point, rng.uniform(0, latest_s), tell) for point in points]
    return [*drawn, _Fate(float("inf"), 0.0, tell)]


def _train(request: TaskRequest, fates: list[_Fate], entry: str) -> tuple[int, dict[str, Any]]:
    """Run children until one finishes; the number of kills and the task result."""
    work, struck = Path(request.work_folder), 0
    for attempt, fate in enumerate(fates, 1):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            result = child.run(
                replace(request, attempt=f"t{attempt:06d}"),
                work.parent / "log",
                fate.hear,
                lambda: False,
                fate.lives,
                entry=entry,
            )
            return struck, result
        except (LeaseLost, WorkerLost):
            if fate.lives():
                raise
            struck += 1
            fate.tell({"phase": "killed", "done": struck, "total": len(fates) - 1})
    raise WorkerLost(f"the replay of {request.task} lost its last child; look for what ended it.")


def _timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = TIMES | {"period", "trial", "recipe"}  # older rows have no recipe
    kept = [{key: value for key, value in row.items() if key not in left_out} for row in rows]
    return sorted(kept, key=lambda row: row["epoch"])
