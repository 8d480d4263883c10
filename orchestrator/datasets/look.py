"""Look at one image file: what it is, what is odd about it, and what it looks like."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from jobs.data import pixel_format
from jobs.data.pixel_format import PixelFormat
from jobs.data.value_range import ValueRange
from models.data import values
from models.data.decode import in_8_bits
from models.data.image_file import Broken, load, opened, read, reason
from orchestrator.analysis.image_similarity import appearance

QUICK_SIDE = 64
MAX_FRAMES_SEEN = 50
SECOND_PICTURE = ("MPO",)
"""Photographs that carry a preview or a second view; their first frame is the photograph."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What one file is. `fault` is why it is broken, or empty.

    `frames` says how many it has, if several. `levels` between its darkest and brightest value, 0
    to 255; for values beyond 8 bits, `pixels` and `span` say what they are and reach instead.
    `thumbnail` has 16 x 16 x 3 bytes, `hash` is a perceptual one of 64 bits. `size` is width and
    height in pixels as stored, `mode` as Pillow names it: L, RGB, CMYK.
    """

    kind: str = ""
    fault: str = ""
    frames: str = ""
    levels: int = 0
    pixels: PixelFormat | None = None
    span: tuple[float, float] | None = None
    thumbnail: bytes = b""
    hash: int = 0
    size: tuple[int, int] = (0, 0)
    mode: str = ""

    @property
    def depth(self) -> str:
        """Bits of each value: `8-bit unsigned integers`, `1-bit`."""
        if self.pixels is not None and self.pixels.beyond_8_bits:
            return self.pixels.words
        return "1-bit" if self.mode == "1" else "8-bit unsigned integers"

    @property
    def one_colour(self) -> bool:
        """Whether all its pixels are the same."""
        return not self.fault and self.levels == 0


def look(path: Path, quick: bool = False) -> ImageFacts:
    """Look at a file; `quick` decodes a JPEG at a small size."""
    contents = b""
    try:
        contents = read(path)
        return _look(contents, quick)
    except Broken as error:
        return ImageFacts(fault=str(error))
    except OSError as error:
        return ImageFacts(fault=error.strerror or reason(error, contents))
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises any kind of error for damaged files
        return ImageFacts(fault=reason(error, contents))


def _look(contents: bytes, quick: bool) -> ImageFacts:
    pixels, span = pixel_format.read(io.BytesIO(contents)), None
    if pixels is not None and pixels.beyond_8_bits and pixels.exact:
        decoded = values.read(contents, pixels)
        kind, span = pixels.format, decoded.span() or (0.0, 0.0)
        own = ValueRange("given", span[0], span[1] if span[0] < span[1] else span[0] + 1)
        image = values.show(decoded, pixels, own)
    else:
        loaded = load(contents, _draft if quick else lambda image: None)
        kind = loaded.format or "unknown"
        image = in_8_bits(loaded, pixels)
    levels = _levels(image)
    if quick and not levels:
        return _look(contents, quick=False)  # a detail may be lost in a small size
    size, mode, frames = opened(contents, lambda each: (each.size, each.mode, _frames(each)))
    return ImageFacts(kind, "", frames, levels, pixels, span, *appearance(image), size, mode)


def _draft(image: Image.Image) -> None:
    image.draft(None, (QUICK_SIDE, QUICK_SIDE))


def _levels(image: Image.Image) -> int:
    """Between the darkest and the brightest value of a channel."""
    channels = np.asarray(image)
    return int((channels.max(0).max(0) - channels.min(0).min(0)).max())


def _frames(image: Image.Image) -> str:
    """How many frames a file has, and whether their sizes differ; empty for one."""
    count = getattr(image, "n_frames", 1)
    if count < 2 or image.format in SECOND_PICTURE:
        return ""
    sizes = set()
    for number in range(min(count, MAX_FRAMES_SEEN)):
        image.seek(number)
        sizes.add(image.size)
    return f"{count:,} frames{' of different sizes' if len(sizes) > 1 else ''}"
