"""What each augmentation costs: milliseconds of one thread per image, on batches of noise."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from jobs.catalog.augmentations import AUGMENTATIONS
from jobs.spec.model import Recipe
from models.data.augment import Change, Draws, changes
from models.data.batches import Batch
from models.data.mix import mixing

BATCH = 32


def costs(size: int, device: torch.device, steps: int = 4) -> dict[str, float]:
    """Milliseconds per image of every augmentation, mixup and cutmix at this size in pixels."""
    rng = np.random.default_rng(0)
    milliseconds = {}
    for name, entry in AUGMENTATIONS.items():
        side = round(size / 0.875) if entry.margin else size
        images = torch.from_numpy(rng.integers(0, 255, (BATCH, side, side, 3), dtype=np.uint8))
        images = images.to(device)
        change = changes(name, Draws(BATCH, 0, 1, size))
        milliseconds[name] = _per_image(partial(_changed, change, images), device, steps)
    batch = Batch(images, torch.zeros(BATCH, dtype=torch.int64, device=device))
    for name in ("mixup", "cutmix"):
        mixed = mixing(Recipe(**{name: 1.0}), 10, 0, 1)
        if mixed is not None:
            milliseconds[name] = _per_image(partial(mixed, batch), device, steps)
    return milliseconds


def _changed(change: Change, images: torch.Tensor, step: int) -> torch.Tensor:
    return change(images, np.arange(BATCH))


def _per_image(work: Callable[[int], object], device: torch.device, steps: int) -> float:
    work(0)
    _wait(device)
    # The processor's time: another program's work does not count. A GPU is waited for.
    clock = time.perf_counter if device.type == "cuda" else time.thread_time
    started = clock()
    for step in range(1, steps + 1):
        work(step)
    _wait(device)
    return 1000 * (clock() - started) / (steps * BATCH)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
