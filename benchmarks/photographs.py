"""Synthetic JPEG files that resemble photographs, for benchmarks without real images."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10
WIDTH, HEIGHT = 400, 300
QUALITY = 90


def make(folder: Path, images: int) -> Path:
    """Make a folder of class folders with `images` JPEGs of 400 x 300 px, about 40 KB each.

    The same number always gives the same files.
    """
    for label in range(CLASSES):
        (folder / f"class-{label}").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_photograph, [folder] * images, range(images), chunksize=16))
    return folder


def _photograph(folder: Path, number: int) -> None:
    """Write one image: coarse shapes, finer shapes, and noise like that of a sensor."""
    random = np.random.default_rng(number)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for side, weight in ((4, 1.0), (16, 0.6), (64, 0.3)):
        coarse = Image.fromarray(random.integers(0, 256, (side * 3 // 4, side, 3), np.uint8))
        pixels += weight * np.asarray(
            coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32
        )
    pixels = pixels / 1.9 + random.normal(0, 6, pixels.shape).astype(np.float32)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    picture.save(folder / f"class-{number % CLASSES}" / f"{number:05d}.jpg", quality=QUALITY)
