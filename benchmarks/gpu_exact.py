"""The section of `gpu.py` that checks whether results are equal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from gpu_scene import CLASSES, Enough, Put, Scene, learner, tried
from torch.nn import functional
from torch.optim import SGD

from models.checkpoints.files import weights_digest
from models.data.batches import Batch, Data
from models.networks import build
from models.runtime import device
from models.training.learner import Learner, normalised
from models.training.loop import EpochProgress, steps_of, train_epoch


def exact(scene: Scene, put: Put) -> dict[str, Any]:
    """Compare the weights' digests after an epoch of a few steps, trained in different ways.

    Also measures how far float32 is from a hand-written loop.
    """
    results: dict[str, Any] = {}
    data = scene.some(3 * 32 + 5)
    kept = scene.near(data)
    for name in scene.names:

        def digest(on: Data, stop: int = 0, name: str = name, **how: Any) -> str:
            return _digest(learner(scene, name, **how), on, stop)

        checks: dict[str, Callable[[], Any]] = {
            "resident": lambda kept=kept: kept.resident is not None,
            "same seed = again": lambda digest=digest: digest(data) == digest(data),
            "resident = streamed": lambda digest=digest: digest(kept) == digest(data),
            "interrupted = not": lambda digest=digest: digest(kept, stop=2) == digest(kept),
            "deterministic = again": lambda digest=digest: (
                digest(data, deterministic=True) == digest(data, deterministic=True)
            ),
            "replayed": lambda name=name: _replayed(scene, name, kept),
            "replayed = plain": lambda digest=digest: digest(kept, graphs=True) == digest(kept),
            "float32 from a plain loop, most": lambda name=name: _from_plain(scene, name, data),
        }
        results[name] = {what: tried(check) for what, check in checks.items()}
        device.pick(scene.photos.device)
        put(results)
    return results


def _digest(ours: Learner, data: Data, stop: int) -> str:
    """The digest of the weights after an epoch.

    With `stop`, training stops at that step and another learner continues.
    """

    def until(running: EpochProgress, settled: bool) -> None:
        if running.step == stop:
            raise Enough

    running = EpochProgress()
    with suppress(Enough):
        train_epoch(ours, data, 1, running, until)
    if stop:
        other = Learner.of(ours.network, ours.recipe, ours.seed, ours.device, ours.precision)
        other.optimizer.load_state_dict(ours.optimizer.state_dict())
        train_epoch(other, data, 1, running, lambda *_: None)
        ours = other
    return weights_digest(ours.network.state_dict())


def _replayed(scene: Scene, name: str, data: Data) -> bool:
    """Whether steps are replayed from a CUDA graph when that is requested."""
    ours = learner(scene, name, graphs=True)
    train_epoch(ours, data, 1, EpochProgress(), lambda *_: None)
    return ours.replay is not None and ours.replay.trusted and ours.replay.again is not None


def _from_plain(scene: Scene, name: str, data: Data) -> float:
    """The largest difference of any weight from a hand-written loop, after one epoch.

    Both take the images in the same order. Dropout is off: it draws in memory order, which differs
    with channels last.
    """
    ours = learner(scene, name, "fp32")
    network = build.build_network(name, CLASSES, 0).to(scene.where)
    for module in (*ours.network.modules(), *network.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    plain = SGD(network.parameters(), lr=ours.recipe.learning_rate, momentum=ours.recipe.momentum)
    for piece in steps_of(data, ours, 1):
        batch = Batch(torch.from_numpy(data.images[piece]), torch.from_numpy(data.labels[piece]))
        images = normalised(batch.images).contiguous().to(scene.where)
        plain.zero_grad()
        functional.cross_entropy(
            network(images).flatten(1), batch.labels.to(scene.where)
        ).backward()
        plain.step()
    train_epoch(ours, data, 1, EpochProgress(), lambda *_: None)
    pairs = zip(ours.network.parameters(), network.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)
