"""Image files of more than 8 bits, written by hand where Pillow writes none."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

RAMP = np.tile(np.linspace(0, 1, 48), (48, 1))
"""A grey ramp from 0 to 1, left to right."""


def stored(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    """The image as a file's bytes."""
    handle = io.BytesIO()
    image.save(handle, kind, **how)
    return handle.getvalue()


def tiff(array: np.ndarray, photometric: int = 1, extra: list[int] | None = None) -> bytes:
    """A plain TIFF of an array (h, w) or (h, w, bands), by hand: Pillow writes few kinds."""
    height, width = array.shape[:2]
    bands = array.shape[2] if array.ndim == 3 else 1
    code = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    bits = array.dtype.itemsize * 8
    rows = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, [bits] * bands), (259, 3, [1]),
        (262, 3, [photometric]), (273, 4, [0]), (277, 3, [bands]), (278, 3, [height]),
        (279, 4, [array.nbytes]), (339, 3, [code] * bands),
    ]  # fmt: skip
    if extra is not None:
        rows.insert(-1, (338, 3, extra))
    directory, tail = b"", b""
    after = 8 + 2 + 12 * len(rows) + 4
    for tag, kind, numbers in rows:
        packed = np.array(numbers, "<u2" if kind == 3 else "<u4").tobytes()
        if tag == 273:
            packed = np.array([after + 64], "<u4").tobytes()
        if len(packed) > 4:
            place = np.array([after + len(tail)], "<u4").tobytes()
            tail += packed
            packed = place
        head = np.array([tag, kind], "<u2").tobytes() + np.array([len(numbers)], "<u4").tobytes()
        directory += head + packed.ljust(4, b"\0")
    body = np.array([len(rows)], "<u2").tobytes() + directory + b"\0" * 4 + tail.ljust(64, b"\0")
    return b"II*\0\x08\0\0\0" + body + array.astype(array.dtype.newbyteorder("<")).tobytes()


def png16(array: np.ndarray) -> bytes:
    """A PNG of 16 bits with 1 to 4 bands, written by hand."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = array.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2] if array.ndim == 3 else 1]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def folder_of(where: Path, files: dict[str, bytes]) -> Path:
    """A data folder with these files."""
    for name, contents in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(contents)
    return where
