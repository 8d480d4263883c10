"""Prepare image files for the network in this folder, as its training images were.

Needs NumPy and Pillow. `preparation.json` beside this file says what is done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

BEYOND_8_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def prepare(*paths: str | Path) -> npt.NDArray[np.float32]:
    """The images as one batch (n, 3, size, size), normalised.

    Raises `ValueError` for an image beyond 8 bits: convert it first, over the range of values in
    `preparation.json`.
    """
    how = json.loads((Path(__file__).parent / "preparation.json").read_text())
    mean, deviation = (np.array(how[key], np.float32) for key in ("mean", "deviation"))
    pixels = np.stack([_square(_rgb(Path(path)), how) for path in paths])
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / deviation
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _rgb(path: Path) -> Image.Image:
    """The image upright, in RGB, transparency over white."""
    image: Image.Image = Image.open(path)
    if image.mode in BEYOND_8_BITS:
        raise ValueError(f"{path} has more than 8 bits: convert it to 8 bits first")
    ImageOps.exif_transpose(image, in_place=True)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _square(image: Image.Image, how: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """The image resized, and its centre (size, size, 3); what lies outside it is grey."""
    side, size, (width, height) = how["resized_side"], how["image_size"], image.size
    if how["resize"] == "squash":
        target = (side, side)
    else:
        reference = (min if how["resize"] == "crop" else max)(image.size)
        target = (max(1, int(side * width / reference)), max(1, int(side * height / reference)))
    image = image.resize(target, Image.Resampling[how["interpolation"].upper()])
    if min(image.size) < size:
        wide, high = (max(each, size) for each in image.size)
        framed = Image.new("RGB", (wide, high), tuple(how["padding"]))
        framed.paste(image, ((wide - image.width) // 2, (high - image.height) // 2))
        image = framed
    left, top = (round((each - size) / 2) for each in image.size)
    return np.asarray(image.crop((left, top, left + size, top + size)))
