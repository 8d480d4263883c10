"""Image files as bytes: small whole ones, and PNGs that claim what they are not."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8))


def stored(image: Image.Image, kind: str, **how: object) -> bytes:
    """The image as a file's bytes."""
    handle = io.BytesIO()
    image.save(handle, kind, **how)
    return handle.getvalue()


def png(width: int, height: int, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that claims a size, whatever its data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    """One part of a PNG, with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def zipped() -> bytes:
    """A zip file with a picture inside."""
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w") as archive:
        archive.writestr("1.png", PNG)
    return handle.getvalue()


def flipped(contents: bytes, place: int) -> bytes:
    """The same with all bits of one byte turned."""
    return contents[:place] + bytes([contents[place] ^ 0xFF]) + contents[place + 1 :]


PNG, JPEG, GIF = stored(NOISE, "PNG"), stored(NOISE, "JPEG"), stored(NOISE, "GIF")
WEBP, TIFF, BMP = stored(NOISE, "WEBP"), stored(NOISE, "TIFF"), stored(NOISE, "BMP")
EPS = stored(NOISE, "EPS")
