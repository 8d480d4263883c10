"""Numbers in names are compared as numbers, past the four digits that names are filled to."""

from __future__ import annotations

import os
import time
from pathlib import Path

from support.fakes import fill_store

from jobs import atomic
from jobs.maintenance import prune
from jobs.store import codec
from jobs.store.records import AttemptRecord
from jobs.store.store import Store
from jobs.task import Task
from workers.execution import attempts


def checkpoint(store: Store, trial: str, name: str) -> None:
    """The checksum file of a checkpoint."""
    path = store.trial_folder(trial) / "checkpoints" / f"{name}-worker-1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def test_the_resume_point_is_the_newest_epoch_past_9999(tmp_path: Path) -> None:
    """`e9000` sorts after `e12000` as text; a step after its epoch does not."""
    store, task = Store(tmp_path).open(create=True), Task("train", "scratch-s0-1f3a9c2e", 20_000)
    points = []
    for name in ("e9000", "e9999-s000100", "e12000", "e12000-s1000000", "e12000-s999999"):
        checkpoint(store, task.subject, name)
        points.append(attempts.resume_point(store, task))

    assert points == ["e9000", "e9999-s000100", "e12000", "e12000-s1000000", "e12000-s1000000"]


def test_attempts_past_9999_stay_in_order(tmp_path: Path) -> None:
    """The tenth thousand does not come first."""
    store, task = Store(tmp_path).open(create=True), Task("train", "scratch-s0-1f3a9c2e", 1)
    folder = store.attempts_folder(task)
    for number in (9999, 10_000, 10_001):
        atomic.write_json(
            folder / f"{number:04d}.json",
            {"attempt": number, "state": "lost", "failure": None, "position": "", "worker": "w"},
        )

    assert [each.attempt for each in attempts.records(store, task)] == [9999, 10_000, 10_001]


def test_the_work_of_a_running_attempt_past_9999_is_kept(tmp_path: Path) -> None:
    """It is the latest, though its name sorts first."""
    store, run = fill_store(tmp_path, backbones=["scratch"], finished=lambda task: False)
    task = Task.parse(run.tasks[1])
    folder = store.attempts_folder(task)
    for number, state in ((9999, "lost"), (10_000, "running")):
        record = AttemptRecord(attempt=number, state=state, failure=None, position="", worker="w1")
        atomic.write_json(folder / f"{number:04d}.json", codec.encode(record))
        (folder / f"{number:04d}").mkdir()
        long_ago = time.time() - 3 * prune.DEAD_AFTER_S
        os.utime(folder / f"{number:04d}", (long_ago, long_ago))

    found = prune.find_prunable(store, [], frozenset(prune.POLICIES), time.time())

    assert [item.path.name for item in found] == ["9999"]
