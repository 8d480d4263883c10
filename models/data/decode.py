"""Decode one image file into a square of RGB pixels. Imports no torch, so pools start fast."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from jobs.data import pixel_format
from jobs.data.pixel_format import PixelFormat
from jobs.data.value_range import GUESSED, ValueRange
from models.data import values
from models.data.image_file import Broken as Broken
from models.data.image_file import load, reason
from models.data.resize import Pixels as Pixels
from models.data.resize import Squaring, make_square

SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def decode(contents: bytes, how: int | Squaring, chosen: ValueRange = GUESSED) -> Pixels:
    """Decode bytes into (size, size, 3); raises `Broken`. A number is a size, squared as usual.

    `chosen` says how values beyond 8 bits become 0 to 255.
    """
    return decode_each(contents, [how], chosen)[0]


def decode_each(
    contents: bytes, hows: Sequence[int | Squaring], chosen: ValueRange = GUESSED
) -> list[Pixels]:
    """The same image squared in several ways."""
    known = chosen.kind != GUESSED.kind
    pixels = pixel_format.read(io.BytesIO(contents)) if known else None
    try:
        image = _rgb(contents, pixels, chosen)
        return [
            make_square(image, how if isinstance(how, Squaring) else Squaring(how)) for how in hows
        ]
    except (Broken, MemoryError):
        raise
    except Exception as error:  # Pillow raises any kind of error for damaged files
        raise Broken(reason(error, contents)) from error


def _rgb(contents: bytes, pixels: PixelFormat | None, chosen: ValueRange) -> Image.Image:
    if pixels is not None and pixels.beyond_8_bits and (pixels.exact or chosen.kind != "full"):
        return values.show(values.read(contents, pixels), pixels, chosen)
    image = load(contents)
    if chosen.kind != GUESSED.kind and image.mode in (*SIXTEEN_BIT, "F"):
        raise Broken(f"{image.format} beyond 8 bits is not read here: convert it to PNG or TIFF")
    return in_8_bits(image, pixels)


def in_8_bits(image: Image.Image, pixels: PixelFormat | None) -> Image.Image:
    """Upright RGB of a loaded image whose file stores its values in this way."""
    if pixels is not None and pixels.alpha_unknown:
        ImageOps.exif_transpose(image, in_place=True)
        return image.convert("RGB")
    if pixels is not None and pixels.hidden_step > 1:  # Pillow stretches all greys but this one
        image.info["transparency"] *= pixels.hidden_step
    return to_rgb(image)


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright RGB: rotated by EXIF, transparency over white.

    More than 8 bits are reduced as version 0.1.0 did, by a guess for each image.
    """
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode in SIXTEEN_BIT:
        image = _from_sixteen_bits(image)
    elif image.mode == "F":
        image = _from_floats(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if image.mode != "I" or values.max() > 255:
        values = values >> 8
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _from_floats(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() >= 0 and values.max() <= 1:
        values = values * 255
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
