"""The section of `gpu.py` that measures checkpoints."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import rivals
from gpu_scene import Put, Scene

from jobs.errors import Stopped
from jobs.spec.model import Recipe
from jobs.store.store import Store
from jobs.task import Task, TaskRequest, Trial
from models.training import state
from models.training.loop import train_epoch
from models.training.train import train


def checkpoints(scene: Scene, put: Put, name: str) -> dict[str, Any]:
    """How long a checkpoint delays a training, and how long until it is written.

    Also checks that a training that was stopped and resumed has the same weights.
    """
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-") as place:
        folder = Path(place)
        held_up_s, written_s = _saving_times(scene, _request(scene, name, folder, 0, "stopped"))
        straight = train(_request(scene, name, folder, 1, "straight"), _ignore, lambda: False)
        calls, stopped = iter(range(1)), False
        try:
            train(
                _request(scene, name, folder, 2, "again"),
                _ignore,
                lambda: next(calls, None) is None,
            )
        except Stopped:
            stopped = True
        again = train(_request(scene, name, folder, 3, "again"), _ignore, lambda: False)
    return {
        "held_up_seconds": held_up_s,
        "written_seconds": written_s,
        "stopped": stopped,
        "interrupted = not": straight["weights_digest"] == again["weights_digest"],
        "peak_memory_bytes": straight["peak_memory_bytes"],
    }


def _saving_times(scene: Scene, request: TaskRequest) -> tuple[list[float], list[float]]:
    """Save three times after an epoch.

    Returns the seconds until the training could go on, and those until the file was written.
    """
    begun = state.begin_training(request)
    train_epoch(begun.learner, begun.data, 1, begun.running, lambda *_: None)
    held_up_s, written_s = [], []
    with begun.saver:
        for _ in range(3):
            rivals.wait(scene.where)
            started = time.perf_counter()
            begun.save()
            held_up_s.append(time.perf_counter() - started)
            begun.last_checkpoint()
            written_s.append(time.perf_counter() - started)
    return held_up_s, written_s


def _request(scene: Scene, name: str, place: Path, number: int, store: str) -> TaskRequest:
    """The request of a training of one epoch on the photographs, in a store of its own."""
    opened = Store(place / store).open(create=True)
    if not opened.data_folder(scene.photos.name).exists():
        source, settings = Store(scene.photos.store).load_data(scene.photos.name)
        opened.save_data(scene.photos.name, source, settings)
        opened.data_folder(scene.photos.name).mkdir(parents=True, exist_ok=True)
        for each in ("images.npy", "manifest.parquet"):
            (opened.data_folder(scene.photos.name) / each).symlink_to(
                Store(scene.photos.store).data_folder(scene.photos.name) / each
            )
    trial = Trial(scene.photos.name, name, "none", Recipe(), 0)
    opened.save_trial(trial, [1], "run")
    work = place / f"work-{number}"
    work.mkdir()
    return TaskRequest(
        Task("train", trial.name, 1).id,
        str(opened.root),
        str(number),
        str(work),
        1,
        scene.photos.device,
        scene.threads,
        None,
    )


def _ignore(message: dict[str, Any]) -> None:
    """Ignore a progress message."""
