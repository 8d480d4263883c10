"""What `gpu.py` measures, a function a section. Each runs in a process of its own and returns plain
data.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import rivals
import torch
from gpu_exact import exact
from gpu_scene import CLASSES, Put, Scene, answering_rate, learner, training_rate, tried

from jobs.errors import Stopped
from jobs.spec.model import Recipe
from jobs.store.store import Store
from jobs.task import Task, TaskRequest, Trial
from models.data.batches import Data
from models.runtime import device
from models.training import state
from models.training.loop import train_epoch
from models.training.train import train

__all__ = ["backbone", "beside", "checkpoints", "exact", "machine", "study"]

EPOCHS = 30
EVALUATIONS = 3


def machine(scene: Scene, put: Put) -> dict[str, Any]:
    """The device, its memory, and matrix products on it."""
    where = scene.where
    about: dict[str, Any] = {
        "device": device.describe(where),
        "torch": torch.__version__,
        "cores": scene.cores,
    }
    if where.type == "cuda":
        free, total = torch.cuda.mem_get_info(where)
        about |= {
            "free_bytes": free,
            "total_bytes": total,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "capability": torch.cuda.get_device_capability(where),
        }
    side = 8192 if where.type == "cuda" else 256
    about["matmul_flops"] = {
        kind: rivals.matmul_flops(where, kind, side, scene.seconds) for kind in ("fp32", "bf16")
    }
    return about


def backbone(scene: Scene, put: Put, name: str) -> dict[str, Any]:
    """Images a second of one backbone, trained and tested: by hand, the bare step, ours; and its
    peak memory.
    """
    where, seconds, batch_images = scene.where, scene.seconds / 2, 32
    many = scene.some(min(len(scene.data().images), 8192))
    kept = scene.near(many)
    rates: dict[str, float] = {}
    for precision in ("auto", "fp32"):
        ours = learner(scene, name, precision)
        label = ours.precision if precision == "auto" else "fp32"
        batch = rivals.ready(scene.photos, batch_images)
        rivals.bare_steps(ours, batch, 3)
        steps = max(2, round(seconds / max(rivals.bare_steps(ours, batch, 3) / 3, 1e-6)))
        rates[f"bare {precision}"] = steps * batch_images / rivals.bare_steps(ours, batch, steps)
        for how, data in (("resident", kept), ("streamed", many)):
            training_rate(ours, data, seconds / 4)
            rates[f"ours {precision} {how}"] = training_rate(ours, data, seconds)
            answering_rate(ours, data, seconds / 8)
            rates[f"ours {precision} {how} evaluated"] = answering_rate(ours, data, seconds / 2)
        large = rivals.ready(scene.photos, 4 * batch_images)
        rivals.bare_answers(ours, large, 2)
        turns = max(2, round(seconds / 2 / max(rivals.bare_answers(ours, large, 2) / 2, 1e-6)))
        rates[f"bare {precision} evaluated"] = (
            turns * 4 * batch_images / rivals.bare_answers(ours, large, turns)
        )
        rates[f"share of matmul {precision}"] = (
            rates[f"ours {precision} resident"]
            * rivals.training_flops(name, CLASSES, scene.photos.size)
            / rivals.matmul_flops(where, label, 8192 if where.type == "cuda" else 256, seconds / 4)
        )
        put({"images_per_second": rates})
    replay = learner(scene, name, graphs=True)
    training_rate(replay, kept, seconds / 4)
    rates["ours auto replayed"] = training_rate(replay, kept, seconds)
    trusted = (
        replay.replay is not None and replay.replay.trusted and replay.replay.again is not None
    )
    peak = torch.cuda.max_memory_allocated(where) if where.type == "cuda" else None
    hand = tried(lambda: _by_hand(scene, name))
    found = {"images_per_second": rates, "replay trusted": trusted, "peak_memory_bytes": peak}
    return found | ({"by hand": hand} if "error" in hand else hand)


def study(scene: Scene, put: Put) -> dict[str, Any]:
    """Each network alone on the whole data set: upload, and seconds extrapolated from a slice of an
    epoch.
    """
    data = scene.data()
    started = time.perf_counter()
    kept = scene.near(data)
    rivals.wait(scene.where)
    found: dict[str, Any] = {
        "upload_seconds": time.perf_counter() - started,
        "resident": kept.resident is not None,
    }
    for name in scene.names:
        ours = learner(scene, name)
        training_rate(ours, kept, scene.seconds / 2)
        rates = (
            training_rate(ours, kept, 2 * scene.seconds),
            answering_rate(ours, _slice(data), scene.seconds),
        )
        found[name] = {
            "training_rate": rates[0],
            "answering_rate": rates[1],
            "extrapolated_seconds": extrapolated(data, *rates),
        }
        put(found)
        del ours
    return found


def extrapolated(data: Data, training: float, answering: float) -> float:
    """Seconds of 30 epochs with their validations and three evaluations, from images a second."""
    sizes = {split: len(places) for split, places in data.splits.items()}
    looked_at = EPOCHS * sizes["validation"] + EVALUATIONS * sizes["test"]
    return EPOCHS * sizes["train"] / training + looked_at / answering


def beside(
    scene: Scene, put: Put, name: str, gate: Path, others: int, whole: bool
) -> dict[str, Any]:
    """Images a second of one network while so many processes train, from when all of them are
    ready.
    """
    data = scene.data() if whole else scene.some(min(len(scene.data().images), 4096))
    ours, kept = learner(scene, name), scene.near(data)
    training_rate(ours, kept, scene.seconds / 2)
    (gate / f"ready-{os.getpid()}").touch()
    while len(list(gate.glob("ready-*"))) < others:
        time.sleep(0.01)
    training_rate(ours, kept, scene.seconds / 4)
    rate = training_rate(ours, kept, 3 * scene.seconds)
    # Those that measure still shall not have the device to themselves.
    training_rate(ours, kept, scene.seconds / 2)
    return {
        "training_rate": rate,
        "resident": kept.resident is not None and kept.resident.images is not None,
        "extrapolated_training_seconds": EPOCHS * len(scene.data().splits["train"]) / rate,
    }


def checkpoints(scene: Scene, put: Put, name: str) -> dict[str, Any]:
    """How long a checkpoint holds a training up and how long it takes; and a real task, stopped and
    taken up again.
    """
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-") as place:
        order = _order(scene, name, Path(place), 0, "stopped")
        begun = state.begin_training(order)
        train_epoch(begun.learner, begun.data, 1, begun.running, lambda *_: None)
        held, whole = [], []
        with begun.saver:
            for _ in range(3):
                rivals.wait(scene.where)
                started = time.perf_counter()
                begun.save()
                held.append(time.perf_counter() - started)
                begun.last_checkpoint()
                whole.append(time.perf_counter() - started)
        straight = train(_order(scene, name, Path(place), 1, "straight"), _silent, lambda: False)
        calls, stopped = iter(range(1)), False
        try:
            train(
                _order(scene, name, Path(place), 2, "again"),
                _silent,
                lambda: next(calls, None) is None,
            )
        except Stopped:
            stopped = True
        again = train(_order(scene, name, Path(place), 3, "again"), _silent, lambda: False)
    return {
        "held_up_seconds": held,
        "written_seconds": whole,
        "stopped": stopped,
        "interrupted = not": straight["weights_digest"] == again["weights_digest"],
        "peak_memory_bytes": straight["peak_memory_bytes"],
    }


def _order(scene: Scene, name: str, place: Path, number: int, store: str) -> TaskRequest:
    """A training of one epoch of the photographs, in a store of its own."""
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


def _by_hand(scene: Scene, name: str) -> dict[str, Any]:
    """Images a second of the loop one writes by hand: float32, a DataLoader with all cores."""
    loader = rivals.loader(scene.photos, scene.photographs, 32, scene.cores, shuffle=True)
    network, optimizer = rivals.by_hand(name, scene.photos, loader)
    rivals.train_by_hand(network, optimizer, loader, scene.where)
    seconds = (
        rivals.train_by_hand(network, optimizer, loader, scene.where),
        rivals.evaluate_by_hand(network, optimizer, loader, scene.where),
    )
    return {
        "by hand": scene.photographs / seconds[0],
        "by hand evaluated": scene.photographs / seconds[1],
    }


def _slice(data: Data) -> Data:
    """At most 4,096 of its test images."""
    return replace(data, splits=data.splits | {"test": data.splits["test"][:4096]})


def _silent(message: dict[str, Any]) -> None:
    """Tell nobody."""
