"""Values of images beyond 8 bits: read exactly, and shown in 8 bits over a range of values."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from jobs.data.pixel_format import PixelFormat
from jobs.data.value_range import ValueRange
from models.data.image_file import NO_IMAGE, Broken, load, opened, refuse_torn_planes

Array = npt.NDArray[Any]
NATIVE = "L" if sys.byteorder == "little" else "B"


@dataclass(frozen=True, slots=True)
class Values:
    """Values (h, w, 1 or 3) as the file holds them, and opacity (h, w), 0 to 1, or None."""

    array: Array
    alpha: Array | None = None

    def span(self) -> tuple[float, float] | None:
        """The lowest and highest value that is visible; None if none is."""
        shown = self.array if self.alpha is None else self.array[self.alpha > 0]
        return (float(shown.min()), float(shown.max())) if shown.size else None


def read(contents: bytes, pixels: PixelFormat) -> Values:
    """The values of a file of this format, upright; raises `Broken`, also for NaN."""
    if pixels.format == "FITS":
        raise Broken("FITS is not read here: convert it to TIFF or PNG")
    if not pixels.exact:
        opened(contents, refuse_torn_planes)
        raise Broken(
            f"{pixels.bits}-bit colours of this {pixels.format} can be read over their full range "
            "only: convert it to PNG, or give --value-range full"
        )
    try:
        values = _grey(contents, pixels) if pixels.bands == 1 else _colours(contents, pixels)
    except Broken as error:
        if not str(error).startswith(NO_IMAGE):
            raise
        raise Broken(
            f"a {pixels.format} of {pixels.bands} x {pixels.words} is not read here: convert it to "
            "16-bit PNG or 32-bit float TIFF"
        ) from None
    if values.array.dtype.kind == "f" and not np.isfinite(values.array).all():
        wrong = int((~np.isfinite(values.array)).sum())
        raise Broken(f"{wrong:,} of its values are NaN or infinite")
    return values


def show(values: Values, pixels: PixelFormat, chosen: ValueRange) -> Image.Image:
    """The values as an RGB image over a range: black at its low end, white at its high end.

    Raises `Broken` where no range is known, and for floats outside their full range.
    """
    low, high = _limits(values, pixels, chosen)
    shares = (values.array.astype(np.float64) - low) / (high - low)
    grey = np.rint(shares.clip(0, 1) * 255).astype(np.uint8)
    if pixels.white_is_zero:
        grey = 255 - grey
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3))))
    if values.alpha is None:
        return image
    image.putalpha(Image.fromarray(np.rint(values.alpha * 255).astype(np.uint8)))
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _limits(values: Values, pixels: PixelFormat, chosen: ValueRange) -> tuple[float, float]:
    if chosen.kind == "unknown":
        raise Broken(
            f"it holds {pixels.words}, for which the data set has no range of values: convert it "
            "to 8 bits, or give --value-range"
        )
    if chosen.kind != "full":
        return chosen.low, chosen.high
    span = values.span() if pixels.kind == "float" else None
    if span and not 0 <= span[0] <= span[1] <= 1:
        raise Broken(
            f"its values go from {span[0]:g} to {span[1]:g}, and the full range of floats is 0 to 1"
        )
    return pixels.full_range


def _grey(contents: bytes, pixels: PixelFormat) -> Values:
    image = load(contents, _native)
    hidden = image.info.get("transparency")
    array = np.asarray(_upright(image))
    if pixels.kind == "signed" and array.dtype == np.uint8:
        array = array.view(np.int8)
    elif pixels.kind == "unsigned" and pixels.bits == 32:
        array = array.astype(np.int32).view(np.uint32)
    elif pixels.format == "JPEG 2000":
        array = (array >> (16 - pixels.bits)).astype(np.int64)
        if pixels.kind == "signed":
            array = array - 2 ** (pixels.bits - 1)
    elif pixels.highest is not None and pixels.highest != 65535:  # Pillow stretches to 16 bits
        array = np.rint(array * (pixels.highest / 65535)).astype(np.int64)
    if array.ndim != 2:
        raise Broken(f"{image.mode} of {pixels.words} is not read here: convert it to PNG or TIFF")
    return Values(
        array[..., None], None if hidden is None else (array != hidden).astype(np.float64)
    )


def _colours(contents: bytes, pixels: PixelFormat) -> Values:
    """Both bytes of each colour: Pillow gives the upper one, and the lower in the other order."""
    if pixels.format == "PNG" and pixels.bands == 2:
        pairs = np.asarray(_upright(load(contents, _as_four_bytes))).astype(np.uint16)
        both = pairs[..., ::2] * 256 + pairs[..., 1::2]
        return Values(both[..., :1], both[..., 1] / 65535)
    image = load(contents, lambda image: _order(image, lower=False))
    hidden = image.info.get("transparency")
    high = np.asarray(_upright(image)).astype(np.uint16)
    low = np.asarray(_upright(load(contents, lambda image: _order(image, lower=True))))
    both = high * 256 + low
    if hidden is not None:
        return Values(both, (both != np.array(hidden)).any(axis=2).astype(np.float64))
    if both.shape[2] == 3 or pixels.alpha_unknown:
        return Values(both[..., :3])
    alpha = both[..., 3] / 65535
    colours = both[..., :3]
    if pixels.premultiplied:
        colours = colours / np.maximum(alpha, 1 / 65535)[..., None]
    return Values(colours, alpha)


def _upright(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _native(image: Image.Image) -> None:
    """Correct raw modes in which Pillow would read libtiff's values in the wrong byte order."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _retile(image, lambda tile, raw: _native_raw(raw) if tile.codec_name == "libtiff" else raw)


def _native_raw(raw: str) -> str:
    """`I;16BS` becomes `I;16NS`: libtiff gives the machine's byte order, whatever the file's."""
    return re.sub(r"^([IF];\d+)[BL]?([SF])$", r"\1N\2", raw)


def _as_four_bytes(image: Image.Image) -> None:
    """Let 16 bits of grey and 16 of opacity be read as four bytes a pixel."""
    _retile(image, lambda tile, raw: "RGBA" if raw == "LA;16B" else _foreign(raw))
    image._mode = "RGBA"


def _order(image: Image.Image, lower: bool) -> None:
    """Let the upper or the lower byte of each 16-bit colour be read."""

    def raw_mode(tile: Any, raw: str) -> str:
        mode, _, order = raw.partition(";16")
        if order not in ("L", "B", "N") or mode not in ("RGB", "RGBX", "RGBA", "RGBa"):
            return _foreign(raw)
        order = NATIVE if order == "N" else order
        if lower:
            order = "B" if order == "L" else "L"
        return f"{mode.upper()};16{order}"

    _retile(image, raw_mode)


def _retile(image: Image.Image, raw_mode: Callable[[Any, str], str]) -> None:
    """Change the raw modes in which an image that is not yet loaded will be read."""
    if not isinstance(image, PngImagePlugin.PngImageFile | TiffImagePlugin.TiffImageFile):
        raise Broken(f"{image.format} beyond 8 bits is not read here: convert it to PNG or TIFF")
    image.tile = [
        tile._replace(args=raw_mode(tile, tile.args))
        if isinstance(tile.args, str)
        else tile._replace(args=(raw_mode(tile, tile.args[0]), *tile.args[1:]))
        for tile in image.tile
        if tile.args is not None
    ]


def _foreign(raw: str) -> str:
    raise Broken(f"values stored as {raw} are not read here: convert it to 16-bit PNG")
