"""Kinds of files that keep every bit: GIF, BMP, Netpbm, TGA, ICO and others; and faults."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image

from support.image_kinds import (
    BITS,
    COLOUR,
    COLOURED,
    DEEP,
    DEEP_COLOUR,
    GREY,
    KEYED,
    OPACITY,
    PALETTE,
    SHARES,
    SIXTEENTHS,
    Array,
    Kind,
    over_white,
    palette_image,
    picture,
    stored,
    upper,
    with_opacity,
)
from support.image_kinds_png import OVER, RANGE
from support.written_images import bmp, chunk, packed, pfm, png

FIRST = "the first frame"
PALETTE_BMP = np.dstack([PALETTE[None, :, ::-1], np.zeros((1, 16, 1))]).astype(np.uint8).tobytes()
FRAMES = [picture(), picture(COLOUR[::-1])]
ANIMATED = {"save_all": True, "append_images": FRAMES[1:]}


def rows_24(array: Array) -> bytes:
    """Rows of a BMP from the bottom to the top, blue first."""
    return bytes(array[::-1, :, ::-1].tobytes())


def words_16(array: Array, bits: tuple[int, int, int]) -> tuple[bytes, Array]:
    """Rows of a BMP of 16 bits a pixel, and the colours that these bits can show."""
    parts = [array[..., band].astype(np.uint16) >> (8 - bits[band]) for band in range(3)]
    word = (parts[0] << (bits[1] + bits[2])) | (parts[1] << bits[2]) | parts[2]
    shown = [np.rint(part * 255 / (2**each - 1)) for part, each in zip(parts, bits, strict=True)]
    return word[::-1].astype("<u2").tobytes(), np.stack(shown, axis=2).astype(np.uint8)


def _text(kind: str, values: Array, highest: str = "") -> bytes:
    return (
        f"{kind}\n# made by hand\n16 16\n{highest}\n{' '.join(map(str, values.ravel()))}\n".encode()
    )


def _icon() -> bytes:
    small = Image.new("RGBA", (8, 8), "red")
    return stored(
        picture(with_opacity(COLOUR)), "ICO", sizes=[(8, 8), (16, 16)], append_images=[small]
    )


def _small_frame() -> bytes:
    """A GIF whose only frame of 8 x 8 lies at (4, 4) of 16 x 16, over a transparent ground."""
    contents = bytearray(stored(palette_image().crop((0, 0, 8, 8)), "GIF", transparency=15))
    contents[6:10] = struct.pack("<HH", 16, 16)
    place = contents.index(b",\0\0\0\0\x08\0\x08\0")
    contents[place + 1 : place + 5] = struct.pack("<HH", 4, 4)
    return bytes(contents)


def _tga_16() -> bytes:
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 16, 16, 16, 0) + RGB_555


def _cut(contents: bytes) -> bytes:
    return contents[: len(contents) // 2]


RGB_555, SHOWN_555 = words_16(COLOUR, (5, 5, 5))
RGB_565, SHOWN_565 = words_16(COLOUR, (5, 6, 5))
RUNS = b"".join(
    b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in SIXTEENTHS[::-1]
) + b"\0\1"  # fmt: skip
SMALL_FRAME = np.full((16, 16, 3), 255, np.uint8)
SMALL_FRAME[4:12, 4:12] = over_white(COLOURED, np.where(SIXTEENTHS == 15, 0, 255))[:8, :8]
OTHERS = (
    ("GIF", "palette", lambda: stored(palette_image(), "GIF"), COLOURED, "its pixels"),
    ("GIF", "grey", lambda: stored(picture(GREY), "GIF"), GREY, "its pixels"),
    (
        "GIF",
        "interlaced",
        lambda: stored(palette_image(), "GIF", interlace=True),
        COLOURED,
        "its pixels",
    ),
    (
        "GIF",
        "with a transparent entry",
        lambda: stored(palette_image(), "GIF", transparency=3),
        KEYED,
        OVER,
    ),
    (
        "GIF",
        "a frame smaller than the picture",
        _small_frame,
        SMALL_FRAME,
        "the frame; what lies around it is white",
    ),
    (
        "GIF",
        "animated",
        lambda: stored(palette_image(), "GIF", save_all=True, append_images=[palette_image(4)]),
        COLOURED,
        FIRST,
    ),
    ("PNG", "animated", lambda: stored(FRAMES[0], "PNG", **ANIMATED), COLOUR, FIRST),
    (
        "PNG",
        "animated, with another picture for old programs",
        lambda: stored(FRAMES[0], "PNG", default_image=True, **ANIMATED),
        COLOUR,
        "that picture",
    ),
    (
        "BMP",
        "1 bit",
        lambda: stored(picture(BITS * 255).convert("1"), "BMP"),
        BITS * 255,
        "its pixels",
    ),
    (
        "BMP",
        "palette, 4 bits",
        lambda: bmp(packed(SIXTEENTHS[::-1], 4), 16, 16, 4, PALETTE_BMP),
        COLOURED,
        "its pixels",
    ),
    ("BMP", "palette, 8 bits", lambda: stored(palette_image(), "BMP"), COLOURED, "its pixels"),
    (
        "BMP",
        "palette, 8 bits, run lengths",
        lambda: bmp(RUNS, 16, 16, 8, PALETTE_BMP, compression=1),
        COLOURED,
        "its pixels",
    ),
    ("BMP", "grey", lambda: stored(picture(GREY), "BMP"), GREY, "its pixels"),
    ("BMP", "16 bits (5, 5, 5)", lambda: bmp(RGB_555, 16, 16, 16), SHOWN_555, "its pixels"),
    (
        "BMP",
        "16 bits (5, 6, 5)",
        lambda: bmp(RGB_565, 16, 16, 16, masks=(0xF800, 0x7E0, 0x1F, 0), compression=3),
        SHOWN_565,
        "its pixels",
    ),
    ("BMP", "24 bits", lambda: bmp(rows_24(COLOUR), 16, 16, 24), COLOUR, "its pixels"),
    (
        "BMP",
        "24 bits, upper row first",
        lambda: bmp(rows_24(COLOUR[::-1]), 16, -16, 24),
        COLOUR,
        "its pixels",
    ),
    (
        "BMP",
        "32 bits",
        lambda: bmp(with_opacity(COLOUR[::-1, :, ::-1], OPACITY * 0).tobytes(), 16, 16, 32),
        COLOUR,
        "its pixels; the fourth byte means nothing",
    ),
    (
        "BMP",
        "32 bits with opacity",
        lambda: bmp(
            with_opacity(COLOUR)[::-1].tobytes(),
            16,
            16,
            32,
            masks=(255, 0xFF00, 0xFF0000, 0xFF000000),
            compression=3,
        ),
        over_white(COLOUR),
        OVER,
    ),
    ("PBM", "as text", lambda: _text("P1", 1 - BITS), BITS * 255, "its pixels"),
    ("PBM", "1 bit", lambda: b"P4\n16 16\n" + packed(1 - BITS, 1), BITS * 255, "its pixels"),
    ("PGM", "as text", lambda: _text("P2", GREY, "255"), GREY, "its pixels"),
    ("PGM", "8 bits", lambda: b"P5\n16 16\n255\n" + GREY.tobytes(), GREY, "its pixels"),
    (
        "PGM",
        "greys up to 15",
        lambda: b"P5\n16 16\n15\n" + SIXTEENTHS.tobytes(),
        SIXTEENTHS * 17,
        "15 is white",
    ),
    (
        "PGM",
        "16 bits",
        lambda: b"P5\n16 16\n65535\n" + DEEP.astype(">u2").tobytes(),
        upper(DEEP),
        RANGE,
    ),
    ("PPM", "as text", lambda: _text("P3", COLOUR, "255"), COLOUR, "its pixels"),
    ("PPM", "8 bits", lambda: stored(picture(), "PPM"), COLOUR, "its pixels"),
    (
        "PPM",
        "16 bits",
        lambda: b"P6\n16 16\n65535\n" + DEEP_COLOUR.astype(">u2").tobytes(),
        upper(DEEP_COLOUR),
        "the upper 8 of its 16 bits, with `value_range: full` only",
    ),
    (
        "PFM",
        "grey, floats",
        lambda: pfm(SHARES),
        upper(DEEP),
        "its floats, over the range of the data set",
    ),
    ("TGA", "grey", lambda: stored(picture(GREY), "TGA"), GREY, "its pixels"),
    ("TGA", "palette", lambda: stored(palette_image(), "TGA"), COLOURED, "its pixels"),
    ("TGA", "colour", lambda: stored(picture(), "TGA"), COLOUR, "its pixels"),
    (
        "TGA",
        "colour, run lengths",
        lambda: stored(picture(), "TGA", compression="tga_rle"),
        COLOUR,
        "its pixels",
    ),
    (
        "TGA",
        "colour, upper row first",
        lambda: stored(picture(), "TGA", orientation=1),
        COLOUR,
        "its pixels",
    ),
    (
        "TGA",
        "grey and opacity",
        lambda: stored(picture(with_opacity(GREY), "LA"), "TGA"),
        over_white(GREY),
        OVER,
    ),
    ("TGA", "16 bits (5, 5, 5)", _tga_16, SHOWN_555, "its pixels"),
    (
        "TGA",
        "colour and opacity",
        lambda: stored(picture(with_opacity(COLOUR)), "TGA"),
        over_white(COLOUR),
        OVER,
    ),
    ("ICO", "two sizes", _icon, over_white(COLOUR), "the largest over white"),
    (
        "QOI",
        "colour and opacity",
        lambda: stored(picture(with_opacity(COLOUR)), "QOI"),
        over_white(COLOUR),
        OVER,
    ),
    ("PCX", "colour", lambda: stored(picture(), "PCX"), COLOUR, "its pixels"),
    ("SGI", "colour", lambda: stored(picture(), "SGI"), COLOUR, "its pixels"),
    (
        "DDS",
        "colour and opacity",
        lambda: stored(picture(with_opacity(COLOUR)), "DDS"),
        over_white(COLOUR),
        OVER,
    ),
)


FAULTS = (
    ("any", "empty", bytes, "an empty file"),
    ("any", "a text", lambda: b"no image at all\n", "not an image"),
    ("PNG", "cut off", lambda: _cut(png(np.tile(COLOUR, (9, 9, 1)), 8, 2)), "truncated"),
    ("PNG", "no pixels", lambda: b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), "not an image"),
    ("GIF", "cut off", lambda: _cut(stored(palette_image(), "GIF", optimize=False)), "truncated"),
    ("BMP", "cut off", lambda: _cut(stored(picture(), "BMP")), "truncated"),
    ("PPM", "cut off", lambda: _cut(stored(picture(), "PPM")), "truncated"),
)
KINDS = (
    *(Kind(box, name, make, pixels, words, 1) for box, name, make, pixels, words in OTHERS),
    *(Kind(box, name, make, None, refused=why) for box, name, make, why in FAULTS),
)
