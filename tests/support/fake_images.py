"""The manifest and the pixels of a data set that was never on a disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

Manifest = list[dict[str, str]]
ANIMALS = (
    "ape",
    "bear",
    "bison",
    "cat",
    "chicken",
    "cow",
    "deer",
    "dog",
    "dolphin",
    "duck",
    "eagle",
    "fish",
    "horse",
    "lion",
    "lobster",
    "pig",
    "rabbit",
    "shark",
    "snake",
    "spider",
    "turkey",
    "wolf",
)


def fake_manifest(classes: Sequence[str], images_a_class: int, split_seed: int = 0) -> Manifest:
    """Rows of a manifest: a fifth of each class for testing, one exact duplicate in each class.

    Each `split_seed` up to 4 tests another fifth.
    """
    rows = []
    for place, label in enumerate(classes):
        for number in range(images_a_class + place % 5):
            drawn = number + split_seed
            split = "test" if drawn % 5 == 0 else "validation" if drawn % 10 == 1 else "train"
            seen = number - 2 if number == 4 else number
            rows.append(
                {
                    "path": f"{label}/{number:04d}.jpg",
                    "label": label,
                    "split": split,
                    "sha256": hashlib.sha256(f"{label}{number}".encode()).hexdigest(),
                    "pixels": hashlib.sha256(f"{label}{seen}".encode()).hexdigest(),
                }
            )
    return rows


def fake_pixels(manifest: Manifest, size: int) -> np.ndarray[Any, Any]:
    """Coloured rings on a slope, one hue a class, one centre an image: (N, size, size, 3) uint8."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    labels = sorted({row["label"] for row in manifest})
    made = np.empty((len(manifest), size, size, 3), np.uint8)
    for i, row in enumerate(manifest):
        hue = 6.283 * labels.index(row["label"]) / len(labels)
        left, down = 0.4 * np.cos(2.4 * i), 0.4 * np.sin(2.4 * i)
        rings = 0.5 + 0.5 * np.sin((20 + i % 7) * np.hypot(x - left, y - down) + i)
        for channel in range(3):
            made[i, ..., channel] = 255 * np.clip(
                rings * (0.55 + 0.45 * np.cos(hue + 2.09 * channel)) + x / 4, 0, 1
            )
    return made
