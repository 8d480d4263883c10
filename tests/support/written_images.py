"""Image files written by hand from their specifications, where Pillow writes none."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""Of each pass of an interlaced PNG: the first column and row, and the steps to the next."""


def packed(samples: Array, bits: int) -> bytes:
    """Rows of samples (h, w) of 1, 2 or 4 bits, each row filled up to whole bytes."""
    shifts = np.arange(bits - 1, -1, -1)
    single = (samples[..., None] >> shifts) & 1
    return np.packbits(single.reshape(len(samples), -1).astype(np.uint8), axis=1).tobytes()


def png(
    samples: Array,
    bits: int,
    colour: int,
    palette: bytes = b"",
    transparent: bytes = b"",
    interlaced: bool = False,
    before: bytes = b"",
) -> bytes:
    """A PNG of samples (h, w) or (h, w, bands); `before` are chunks before the pixels."""
    height, width = samples.shape[:2]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    lines = b"".join(_png_lines(samples[y::dy, x::dx], bits) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", transparent)]
    pixels = [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    start = b"".join(chunk(name, data) for name, data in chunks if data)
    end = b"".join(chunk(name, data) for name, data in pixels)
    return b"\x89PNG\r\n\x1a\n" + start + before + end


def chunk(name: bytes, data: bytes) -> bytes:
    """One part of a PNG, with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_lines(samples: Array, bits: int) -> bytes:
    if not samples.size:
        return b""
    rows = []
    for row in samples:
        if bits < 8:
            rows.append(b"\0" + packed(row[None], bits))
        else:
            rows.append(b"\0" + row.astype(">u2" if bits == 16 else np.uint8).tobytes())
    return b"".join(rows)


def tiff(
    samples: Array,
    photometric: int = 1,
    *,
    order: str = "<",
    bits: int | None = None,
    extra: int | None = None,
    tile: int | None = None,
    planar: bool = False,
    deflated: bool = False,
    palette: Array | None = None,
    orientation: int = 1,
) -> bytes:
    """A TIFF of samples (h, w) or (h, w, bands): in strips or tiles, of any byte order."""
    bands = samples.shape[2] if samples.ndim == 3 else 1
    depth = bits or samples.dtype.itemsize * 8
    parts = [_tiff_part(part, order, depth) for part in _tiff_parts(samples, tile, planar)]
    parts = [zlib.compress(part) for part in parts] if deflated else parts
    code = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("H", [samples.shape[1]]), 257: ("H", [samples.shape[0]]), 258: ("H", [depth] * bands),
        259: ("H", [8 if deflated else 1]), 262: ("H", [photometric]),
        (324 if tile else 273): ("I", [0] * len(parts)), 274: ("H", [orientation]),
        277: ("H", [bands]), (325 if tile else 279): ("I", [len(part) for part in parts]),
        284: ("H", [2 if planar else 1]), 339: ("H", [code] * bands),
    }  # fmt: skip
    if tile:
        tags |= {322: ("H", [tile]), 323: ("H", [tile])}
    else:
        tags[278] = ("H", [samples.shape[0]])
    if extra is not None:
        tags[338] = ("H", [extra])
    if palette is not None:
        tags[320] = ("H", [int(value) for value in palette.ravel()])
    return _tiff_file(tags, parts, order, 324 if tile else 273)


def _tiff_parts(samples: Array, tile: int | None, planar: bool) -> list[Array]:
    """The strips or tiles in their order; one plane after the other if `planar`."""
    planes = list(np.moveaxis(samples, 2, 0)) if planar else [samples]
    if tile is None:
        return planes
    height, width = samples.shape[:2]
    return [
        plane[top : top + tile, left : left + tile]
        for plane in planes
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def _tiff_part(part: Array, order: str, bits: int) -> bytes:
    if bits < 8:
        return packed(part, bits)
    return part.astype(part.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]


def _tiff_file(
    tags: dict[int, tuple[str, list[int]]], parts: list[bytes], order: str, places: int
) -> bytes:
    """Header, pixels, values that need more than four bytes, and last the directory."""
    body = bytearray(struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 0))
    tags[places][1][:] = np.cumsum([len(body), *map(len, parts)])[:-1].tolist()
    body += b"".join(parts)
    body += b"\0" * (len(body) % 2)
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(data) > 4:
            place = struct.pack(f"{order}I", len(body))
            body += data + b"\0" * (len(data) % 2)
            data = place
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(values))
        entries += data.ljust(4, b"\0")
    struct.pack_into(f"{order}I", body, 4, len(body))
    return bytes(body) + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4


def bmp(
    rows: bytes,
    width: int,
    height: int,
    bits: int,
    palette: bytes = b"",
    masks: tuple[int, ...] = (),
    compression: int = 0,
) -> bytes:
    """A BMP; a negative height means that its first row is the upper one."""
    size = 56 if masks else 40
    header = struct.pack(
        "<IiiHHIIiiII", size, width, height, 1, bits, compression, len(rows), 0, 0,
        len(palette) // 4, 0,
    )  # fmt: skip
    if masks:
        header += struct.pack("<4I", *masks)
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + header + palette + rows


def pfm(samples: Array) -> bytes:
    """A portable float map of grey; its rows go from the bottom to the top."""
    height, width = samples.shape
    return f"Pf\n{width} {height}\n-1.0\n".encode() + samples[::-1].astype("<f4").tobytes()
