"""Small data and a fresh network of two classes, for tests of steps and epochs."""

from __future__ import annotations

import numpy as np
import torch

from jobs.spec.model import Recipe
from models.data.batches import Data
from models.networks.build import build_network
from models.training.learner import Learner
from models.training.loop import EpochProgress

CPU = torch.device("cpu")


def some_data(train: int = 20, size: int = 32) -> Data:
    """Random images in two classes that differ in brightness, 8 for validation and 8 for test."""
    rng = np.random.default_rng(0)
    count = train + 16
    labels = np.arange(count) % 2
    images = (
        rng.integers(0, 100, (count, size, size, 3)) + labels[:, None, None, None] * 120
    ).astype(np.uint8)
    index = np.arange(count)
    splits = {
        "train": index[:train],
        "validation": index[train : train + 8],
        "test": index[train + 8 :],
    }
    return Data("some", ("dark", "light"), images, labels, tuple(f"{i}.png" for i in index), splits)


def learner(name: str = "scratch", precision: str = "fp32", **recipe: object) -> Learner:
    """A fresh network of two classes."""
    chosen = Recipe(**({"batch_size": 8} | recipe))  # type: ignore[arg-type]
    return Learner.of(build_network(name, 2, 0), chosen, 0, CPU, precision)  # type: ignore[arg-type]


def nothing(running: EpochProgress, settled: bool) -> None:
    """Ignore progress."""
