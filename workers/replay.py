"""Train a trial again, struck down at random points, and compare what comes out with what was published.

The replay has a store of its own inside a temporary folder: the same trial, marks and numerics, the same prepared
data (linked), no checkpoint. Children are killed without warning and started again until the trial is trained.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import files, results
from jobs.errors import LeaseLost, StoreUnusable, WorkerLost
from jobs.store import Store
from jobs.task import Order, Task
from workers import child

TIMES = {"seconds", "images_per_second"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a replay ended: kills survived, whether weights and epoch rows (times aside) are those published."""

    trial: str
    epoch: int
    kills: int
    seconds: float
    same_weights: bool
    same_rows: bool


def replay(
    store: Store, trial: str, *, kills: int, seed: int, threads: int, weights_dir: Path | None,
    tell: Callable[[dict[str, Any]], None] = lambda message: None,
) -> Verdict:
    """Train `trial` again up to its last published epoch with `kills` kills at random points.

    Raises `StoreUnusable` when nothing of the trial is published yet, or what the training raises.
    """
    done = [e for e in store.marks(trial) if store.is_done(Task("train", trial, e))]
    if not done:
        raise StoreUnusable(f"nothing of the trial {trial} is trained yet, so there is nothing to compare with.")
    task, began = Task("train", trial, done[-1]), time.monotonic()
    published = store.done(task) or {}
    folder = Path(tempfile.mkdtemp(prefix=".replay-", dir=store.root))
    try:
        copy = _copy(store, trial, folder, done[-1])
        struck, outcome = _train(copy, task, kills, random.Random(seed), published, threads, weights_dir, tell)
        rows = results.read_files([folder / "work" / name for name in outcome["files"]])
        theirs = [row for row in results.read(store.root, "epochs", [trial]).to_pylist() if row["epoch"] <= task.epoch]
        same_rows = _timeless(rows) == _timeless(theirs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    same_weights = outcome["weights_digest"] == published["weights_digest"]
    return Verdict(trial, task.epoch, struck, time.monotonic() - began, same_weights, same_rows)


def _copy(store: Store, trial: str, folder: Path, epoch: int) -> Store:
    """A store that holds the trial as it was before its first epoch."""
    copy = Store(folder / "store").open(create=True)
    described = store.load_trial(trial)
    copy.save_trial(described, [epoch], "replay")
    numerics = store.trial_folder(trial) / "numerics.json"
    files.write_json(copy.trial_folder(trial) / "numerics.json", files.read_json(numerics))
    copy.data_folder(described.data).parent.mkdir(parents=True, exist_ok=True)
    copy.data_folder(described.data).symlink_to(store.data_folder(described.data), target_is_directory=True)
    files.write_json(copy.done_path(Task("prepare", described.data)), store.done(Task("prepare", described.data)))
    return copy


def _train(
    copy: Store, task: Task, kills: int, dice: random.Random, published: dict[str, Any], threads: int,
    weights_dir: Path | None, tell: Callable[[dict[str, Any]], None],
) -> tuple[int, dict[str, Any]]:
    """Run children until one finishes; each of the first `kills` dies at a random moment. Kills made, outcome."""
    work, struck = copy.root.parent / "work", 0
    mean_s = max(0.5, published.get("seconds", 10.0) / (kills + 1))
    device = "cpu" if str(published.get("device", "cpu")).startswith("cpu") else "cuda"
    for attempt in range(1, kills + 2):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        order = Order(task.id, str(copy.root), f"t{attempt:06d}", str(work), 1, device, threads,
                      str(weights_dir) if weights_dir else None)
        last = attempt == kills + 1
        until = None if last else time.monotonic() + dice.uniform(0.2, 1.8) * mean_s
        alive = (lambda: True) if until is None else (lambda until=until: time.monotonic() < until)
        try:
            return struck, child.run(order, copy.root / "log", tell, lambda: False, alive)
        except (LeaseLost, WorkerLost):
            struck += 1
    raise WorkerLost(f"the replay of {task.id} lost its last child; look for what ended it.")


def _timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = TIMES | {"period", "trial"}
    kept = [{key: value for key, value in row.items() if key not in left_out} for row in rows]
    return sorted(kept, key=lambda row: row["epoch"])
