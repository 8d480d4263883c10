"""A small data set, painted anew and always the same."""

from __future__ import annotations

from pathlib import Path


def paint(folder: Path, images_a_class: int = 32) -> Path:
    """Three classes of small images with different dominant colours, always the same."""
    import numpy
    from PIL import Image

    rng = numpy.random.default_rng(0)
    for channel, label in enumerate(("ape", "bear", "cat")):
        (folder / label).mkdir(parents=True)
        for number in range(images_a_class):
            pixels = rng.integers(0, 120, (40, 48, 3), dtype="uint8")
            pixels[..., channel] += 60
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")
    return folder
