"""The kinds of image files and what orch makes of each: the table of docs/image-kinds.md.

A picture of 16 x 16 pixels becomes 14 x 14 without resizing: its middle. So pixels can be compared.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
SIDE, SIZE = 16, 14
Y, X = np.mgrid[0:SIDE, 0:SIDE]
GREY = (X * 12 + Y * 4).astype(np.uint8)
COLOUR = np.stack([X * 15, Y * 13, X * 6 + Y * 9], axis=2).astype(np.uint8)
OPACITY = (Y * 17).astype(np.uint8)
BITS = ((X + 2 * Y) % 5 < 2).astype(np.uint8)
QUARTERS = ((X + 3 * Y) % 4).astype(np.uint8)
SIXTEENTHS = ((X + 3 * Y) % 16).astype(np.uint8)
PALETTE = np.random.default_rng(1).integers(0, 256, (16, 3)).astype(np.uint8)
DEEP = (X.astype(np.int64) * 4000 + Y * 300).astype(np.uint16)
DEEP_COLOUR = np.stack([DEEP, DEEP.T, 65535 - DEEP], axis=2).astype(np.uint16)
SHARES = (DEEP / 65535).astype(np.float32)
NO_FULL_RANGE = "over their full range"


@dataclass(frozen=True, slots=True)
class Kind:
    """A file, and its pixels (16, 16) or (16, 16, 3), or how it is refused.

    `off` is the largest difference of a pixel. `becomes` says in words what comes out.
    """

    container: str
    name: str
    make: Callable[[], bytes]
    pixels: Array | None
    becomes: str = "its pixels"
    off: int = 0
    refused: str = ""

    @property
    def middle(self) -> Array:
        """The pixels that are expected: (14, 14, 3)."""
        assert self.pixels is not None
        edge = (SIDE - SIZE) // 2
        whole = self.pixels if self.pixels.ndim == 3 else np.stack([self.pixels] * 3, axis=2)
        return whole[edge:-edge, edge:-edge]


def stored(image: Image.Image, kind: str, **how: Any) -> bytes:
    """The image as a file's bytes, written by Pillow."""
    handle = io.BytesIO()
    image.save(handle, kind, **how)
    return handle.getvalue()


def picture(array: Array = COLOUR, mode: str | None = None) -> Image.Image:
    """An array as an image; `mode` where an array of bytes does not say it."""
    image = Image.fromarray(np.ascontiguousarray(array))
    if mode is None or image.mode == mode:
        return image
    bands = array.shape[2] if array.ndim == 3 else 1
    planes = [Image.fromarray(np.ascontiguousarray(array[..., band])) for band in range(bands)]
    return Image.merge(mode, planes)


def over_white(colours: Array, opacity: Array = OPACITY) -> Array:
    """What is seen of an image that lies over white."""
    colours = colours if colours.ndim == 3 else np.stack([colours] * 3, axis=2)
    share = opacity[..., None] / 255
    return np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


def with_opacity(colours: Array, opacity: Array = OPACITY) -> Array:
    """Bands of colour or grey, and one of opacity."""
    return np.dstack([colours, opacity])


def upper(values: Array) -> Array:
    """16 bits in 8, rounded, over their full range."""
    return np.rint(values / 65535 * 255).astype(np.uint8)


def from_inks(inks: Array) -> Array:
    """Screen colours of cyan, magenta, yellow and black."""
    shares = 1 - inks.astype(float) / 255
    return np.rint(shares[..., :3] * shares[..., 3:] * 255).astype(np.uint8)


def palette_image(colours: int = 16) -> Image.Image:
    """A palette image of the sixteen colours."""
    image = Image.frombytes("P", (SIDE, SIDE), (SIXTEENTHS % colours).tobytes())
    image.putpalette(PALETTE.ravel().tolist())
    return image


COLOURED = PALETTE[SIXTEENTHS]
INKS = np.dstack([COLOUR, np.full_like(GREY, 40)])
HOLES = np.where(SIXTEENTHS == 3, 0, 255).astype(np.uint8)
KEYED = over_white(COLOURED, HOLES)


def every_kind() -> Iterator[Kind]:
    """All of them."""
    from support import image_kinds_lossy, image_kinds_plain, image_kinds_png, image_kinds_tiff

    for module in (image_kinds_png, image_kinds_lossy, image_kinds_tiff, image_kinds_plain):
        yield from module.KINDS


def as_table() -> str:
    """The kinds as Markdown."""
    lines = ["| container | kind | becomes |", "|---|---|---|"]
    for kind in every_kind():
        becomes = f"refused: `{kind.refused}`" if kind.refused else kind.becomes
        lines.append(f"| {kind.container} | {kind.name} | {becomes} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "image-kinds.md"
    page.write_text(page.read_text("utf-8").partition("| container |")[0] + as_table(), "utf-8")
