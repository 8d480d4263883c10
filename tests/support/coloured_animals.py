"""A folder of small colour images that a network learns in a few steps."""

from __future__ import annotations

from pathlib import Path

import pytest


def write(folder: Path) -> Path:
    """`animals` in a folder: three classes of twenty images, told apart by their main colour."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra 'worker')")
    numpy = pytest.importorskip("numpy")
    rng = numpy.random.default_rng(0)
    for channel, label in enumerate(("ape", "bear", "cat")):
        (folder / "animals" / label).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 120, (40, 48, 3), dtype="uint8")
            pixels[..., channel] += 120
            image.fromarray(pixels).save(folder / "animals" / label / f"{number:03d}.png")
    return folder / "animals"
