"""Open and load an image file with Pillow, under limits of our own. Imports no torch."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from jobs.data import file_kinds
from jobs.data.pixel_format import SEPARATE_PLANES

MAX_PIXELS = 2**28
"""Larger images are refused as decompression bombs; photographs have up to 200 megapixels."""
PROGRAMS = ("EPS", "WMF")
NO_IMAGE = "not an image"
RARE = ((b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"BM", "BMP"), (b"DDS ", "DDS"))
"""First bytes of formats of which Pillow reads some kinds only, and says so in no other way."""
PNG = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # the reason is in the file's error
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow warns from there on, and refuses twice as many


Used = TypeVar("Used")


class Broken(Exception):
    """A file that is not an image, or is damaged; the message is the reason."""


def read(path: Path) -> bytes:
    """The bytes of a file. Raises `OSError`, and `Broken` for a file known to be no image.

    A video may be larger than the memory, so it is not read whole.
    """
    with path.open("rb") as handle:
        head = handle.read(file_kinds.HEAD_BYTES)
        if foreign := file_kinds.name_foreign(head):
            raise Broken(foreign)
        return head + handle.read()


def load(
    contents: bytes, prepare: Callable[[Image.Image], None] = lambda image: None
) -> Image.Image:
    """The loaded first image of a file; `prepare` sees it before. Raises `Broken`."""

    def loaded(image: Image.Image) -> Image.Image:
        prepare(image)
        refuse_torn_planes(image)
        image.load()
        return image

    return opened(contents, loaded)


def opened(contents: bytes, use: Callable[[Image.Image], Used]) -> Used:
    """What `use` makes of the image of a file that is open but not loaded. Raises `Broken`."""
    try:
        return _opened(contents, use)
    except (Broken, MemoryError):
        raise
    except Exception as error:  # Pillow raises any kind of error for damaged files
        if contents.startswith(PNG) and "text chunk" in _plain(error).replace("_", " ").lower():
            return opened(_without_texts(contents), use)
        raise Broken(reason(error, contents)) from error


def reason(error: Exception, contents: bytes) -> str:
    """Why a file is broken, or what else it is."""
    foreign = file_kinds.name_foreign(contents[: file_kinds.HEAD_BYTES])
    if foreign:
        return foreign
    if not contents:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        name = next((name for start, name in RARE if contents[: len(start)] == start), None)
        name = "AVIF" if contents[4:12] == b"ftypavif" else name
        return f"{NO_IMAGE}, or a rare or damaged {name}: convert it to PNG" if name else NO_IMAGE
    return _plain(error)[:120] or type(error).__name__


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())


def _opened(contents: bytes, use: Callable[[Image.Image], Used]) -> Used:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(contents))
        if image.format in PROGRAMS:
            raise Broken(f"{image.format} is a program that draws, not an image")
        return use(image)


def refuse_torn_planes(image: Image.Image) -> None:
    """Raise `Broken` for planes of 16 bits that Pillow would read as 8, without saying so."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    apart = image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == SEPARATE_PLANES
    deep = max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8
    if apart and deep and len(image.getbands()) > 1 and image.tile[0].codec_name == "raw":
        raise Broken(
            "colours beyond 8 bits, one plane after the other and not compressed, are not read "
            "here: convert it to PNG"
        )


def _without_texts(contents: bytes) -> bytes:
    """A PNG file without its texts and colour profile, which do not change its pixels."""
    kept, at = [PNG], len(PNG)
    while at + 8 <= len(contents):
        length, name = struct.unpack_from(">I4s", contents, at)
        if name not in TEXT_CHUNKS:
            kept.append(contents[at : at + length + 12])
        at += length + 12
    return b"".join(kept)
