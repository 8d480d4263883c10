"""Kinds of files that keep every bit: PNG, GIF, BMP, Netpbm, TGA, ICO and others."""

from __future__ import annotations

import numpy as np

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
    QUARTERS,
    SIXTEENTHS,
    Array,
    Kind,
    over_white,
    upper,
    with_opacity,
)
from support.written_images import png

HIDE_3 = bytes([255, 255, 255, 0])
"""Opacity of the first palette entries: entry 3 is transparent."""
OVER = "its pixels over white"
RANGE = "its 16 bits, over the range of the data set"


def hidden_where(values: Array, shown: Array, hidden: int) -> Array:
    """Grey that is white where a value is hidden."""
    return np.where(values == hidden, 255, shown).astype(np.uint8)


def png_16(array: Array, colour: int, transparent: bytes = b"", interlaced: bool = False) -> bytes:
    """A PNG of 16 bits."""
    return png(array, 16, colour, b"", transparent, interlaced)


PNG = (
    ("grey, 1 bit", lambda: png(BITS, 1, 0), BITS * 255),
    ("grey, 2 bits", lambda: png(QUARTERS, 2, 0), QUARTERS * 85),
    ("grey, 4 bits", lambda: png(SIXTEENTHS, 4, 0), SIXTEENTHS * 17),
    ("grey, 8 bits", lambda: png(GREY, 8, 0), GREY),
    ("colour, 8 bits", lambda: png(COLOUR, 8, 2), COLOUR),
    ("palette, 1 bit", lambda: png(BITS, 1, 3, PALETTE[:2].tobytes()), PALETTE[BITS]),
    ("palette, 2 bits", lambda: png(QUARTERS, 2, 3, PALETTE[:4].tobytes()), PALETTE[QUARTERS]),
    ("palette, 4 bits", lambda: png(SIXTEENTHS, 4, 3, PALETTE.tobytes()), COLOURED),
    ("palette, 8 bits", lambda: png(SIXTEENTHS, 8, 3, PALETTE.tobytes()), COLOURED),
    ("grey, 1 bit, interlaced", lambda: png(BITS, 1, 0, interlaced=True), BITS * 255),
    ("grey, 8 bits, interlaced", lambda: png(GREY, 8, 0, interlaced=True), GREY),
    ("colour, interlaced", lambda: png(COLOUR, 8, 2, interlaced=True), COLOUR),
    (
        "palette, 4 bits, interlaced",
        lambda: png(SIXTEENTHS, 4, 3, PALETTE.tobytes(), interlaced=True),
        COLOURED,
    ),
)
PNG_OVER_WHITE = (
    ("grey and opacity", lambda: png(with_opacity(GREY), 8, 4), over_white(GREY)),
    ("colour and opacity", lambda: png(with_opacity(COLOUR), 8, 6), over_white(COLOUR)),
    (
        "palette with a transparent entry",
        lambda: png(SIXTEENTHS, 4, 3, PALETTE.tobytes(), HIDE_3),
        KEYED,
    ),
    (
        "palette with half-transparent entries",
        lambda: png(SIXTEENTHS, 8, 3, PALETTE.tobytes(), bytes(range(0, 256, 17))),
        over_white(COLOURED, SIXTEENTHS * 17),
    ),
    (
        "colour with a transparent colour",
        lambda: png(COLOURED, 8, 2, b"", PALETTE[3].astype(">u2").tobytes()),
        KEYED,
    ),
    (
        "grey, 1 bit, with a transparent grey",
        lambda: png(BITS, 1, 0, b"", b"\0\0"),
        hidden_where(BITS, BITS * 255, 0),
    ),
    (
        "grey, 2 bits, with a transparent grey",
        lambda: png(QUARTERS, 2, 0, b"", b"\0\1"),
        hidden_where(QUARTERS, QUARTERS * 85, 1),
    ),
    (
        "grey, 4 bits, with a transparent grey",
        lambda: png(SIXTEENTHS, 4, 0, b"", b"\0\3"),
        hidden_where(SIXTEENTHS, SIXTEENTHS * 17, 3),
    ),
    (
        "grey, 8 bits, with a transparent grey",
        lambda: png(SIXTEENTHS * 16, 8, 0, b"", b"\0\x30"),
        hidden_where(SIXTEENTHS, SIXTEENTHS * 16, 3),
    ),
)
PNG_DEEP = (
    ("grey, 16 bits", lambda: png_16(DEEP, 0), upper(DEEP)),
    ("grey, 16 bits, interlaced", lambda: png_16(DEEP, 0, b"", True), upper(DEEP)),
    (
        "grey, 16 bits, with a transparent grey",
        lambda: png_16(SIXTEENTHS * np.uint16(4096), 0, b"\x30\0"),
        hidden_where(SIXTEENTHS, upper(SIXTEENTHS * np.uint16(4096)), 3),
    ),
    (
        "grey and opacity, 16 bits",
        lambda: png_16(with_opacity(DEEP, OPACITY * np.uint16(257)), 4),
        over_white(upper(DEEP)),
    ),
    ("colour, 16 bits", lambda: png_16(DEEP_COLOUR, 2), upper(DEEP_COLOUR)),
    (
        "colour and opacity, 16 bits",
        lambda: png_16(with_opacity(DEEP_COLOUR, OPACITY * np.uint16(257)), 6),
        over_white(upper(DEEP_COLOUR)),
    ),
)
KINDS = (
    *(Kind("PNG", name, make, pixels) for name, make, pixels in PNG),
    *(Kind("PNG", name, make, pixels, OVER, 1) for name, make, pixels in PNG_OVER_WHITE),
    *(Kind("PNG", name, make, pixels, RANGE, 1) for name, make, pixels in PNG_DEEP),
)
