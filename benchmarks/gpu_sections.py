"""The sections of `gpu.py`, one function each, run in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import rivals
import torch
from gpu_checkpoints import checkpoints
from gpu_exact import exact
from gpu_scene import CLASSES, Put, Scene, answering_rate, learner, training_rate, tried
from torch import Tensor

from models.data.batches import Data
from models.runtime import device
from models.training.learner import Learner

__all__ = ["backbone", "beside", "checkpoints", "exact", "machine", "study"]

BATCH = 32
EPOCHS = 30
EVALUATIONS = 3


def machine(scene: Scene, put: Put) -> dict[str, Any]:
    """Describe the device and its memory, and measure matrix products on it."""
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
    """Images per second of a backbone in training and evaluation, and its peak memory.

    Measured are the hand-written loop, the network alone, and ours.
    """
    where, seconds = scene.where, scene.seconds / 2
    many = scene.some(min(len(scene.data().images), 8192))
    kept = scene.near(many)
    rates: dict[str, float] = {}
    for precision in ("auto", "fp32"):
        ours = learner(scene, name, precision)
        label = ours.precision if precision == "auto" else "fp32"
        rates[f"bare {precision}"] = _bare_rate(rivals.bare_steps, ours, scene, BATCH, 3, seconds)
        for how, data in (("resident", kept), ("streamed", many)):
            training_rate(ours, data, seconds / 4)
            rates[f"ours {precision} {how}"] = training_rate(ours, data, seconds)
            answering_rate(ours, data, seconds / 8)
            rates[f"ours {precision} {how} evaluated"] = answering_rate(ours, data, seconds / 2)
        rates[f"bare {precision} evaluated"] = _bare_rate(
            rivals.bare_answers, ours, scene, 4 * BATCH, 2, seconds / 2
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
    results = {"images_per_second": rates, "replay trusted": trusted, "peak_memory_bytes": peak}
    return results | ({"by hand": hand} if "error" in hand else hand)


def _bare_rate(
    bare: Callable[[Learner, tuple[Tensor, Tensor], int], float],
    ours: Learner,
    scene: Scene,
    batch_images: int,
    first_steps: int,
    seconds: float,
) -> float:
    """Images per second of the network alone. A few first steps tell how many fill `seconds`."""
    batch = rivals.ready(scene.photos, batch_images)
    bare(ours, batch, first_steps)
    step_s = bare(ours, batch, first_steps) / first_steps
    steps = max(2, round(seconds / max(step_s, 1e-6)))
    return steps * batch_images / bare(ours, batch, steps)


def study(scene: Scene, put: Put) -> dict[str, Any]:
    """Each network alone on the whole data set: seconds of the upload, and of the whole study.

    The latter are extrapolated from a part of an epoch.
    """
    data = scene.data()
    started = time.perf_counter()
    kept = scene.near(data)
    rivals.wait(scene.where)
    results: dict[str, Any] = {
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
        results[name] = {
            "training_rate": rates[0],
            "answering_rate": rates[1],
            "extrapolated_seconds": extrapolated(data, *rates),
        }
        put(results)
        del ours
    return results


def extrapolated(data: Data, training: float, answering: float) -> float:
    """Seconds of 30 epochs with their validations and of three evaluations, from two rates."""
    sizes = {split: len(places) for split, places in data.splits.items()}
    evaluated = EPOCHS * sizes["validation"] + EVALUATIONS * sizes["test"]
    return EPOCHS * sizes["train"] / training + evaluated / answering


def beside(
    scene: Scene, put: Put, name: str, gate: Path, others: int, whole: bool
) -> dict[str, Any]:
    """Images per second of one network while `others` processes train side by side.

    The measurement begins when all of them are ready.
    """
    data = scene.data() if whole else scene.some(min(len(scene.data().images), 4096))
    ours, kept = learner(scene, name), scene.near(data)
    training_rate(ours, kept, scene.seconds / 2)
    (gate / f"ready-{os.getpid()}").touch()
    while len(list(gate.glob("ready-*"))) < others:
        time.sleep(0.01)
    training_rate(ours, kept, scene.seconds / 4)
    rate = training_rate(ours, kept, 3 * scene.seconds)
    # Processes that are still measuring must not have the device to themselves.
    training_rate(ours, kept, scene.seconds / 2)
    return {
        "training_rate": rate,
        "resident": kept.resident is not None and kept.resident.images is not None,
        "extrapolated_training_seconds": EPOCHS * len(scene.data().splits["train"]) / rate,
    }


def _by_hand(scene: Scene, name: str) -> dict[str, Any]:
    """Images per second of the hand-written loop: float32, a DataLoader on all cores."""
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
    """The data set with at most 4,096 of its test images."""
    return replace(data, splits=data.splits | {"test": data.splits["test"][:4096]})
