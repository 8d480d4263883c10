"""Kinds of TIFF: byte orders, strips and tiles, compression, depths, and meanings of bands."""

from __future__ import annotations

import numpy as np

from support.image_kinds import (
    BITS,
    COLOUR,
    COLOURED,
    DEEP,
    DEEP_COLOUR,
    GREY,
    INKS,
    OPACITY,
    PALETTE,
    QUARTERS,
    SHARES,
    SIXTEENTHS,
    Kind,
    X,
    Y,
    from_inks,
    over_white,
    palette_image,
    picture,
    stored,
    upper,
    with_opacity,
)
from support.written_images import tiff

OVER = "its pixels over white"
RANGE = "its values, over the range of the data set"
SHARED_COLOUR = (DEEP_COLOUR / 65535).astype(np.float32)
PALETTE_16 = np.zeros((3, 256), np.uint16)
PALETTE_16[:, :16] = PALETTE.T.astype(np.uint16) * 257
SIGNED = (DEEP.astype(np.int32) - 32768).astype(np.int16)
MULTIPLIED = np.rint(COLOUR * (OPACITY[..., None] / 255)).astype(np.uint8)


TINTS = [(axis * 2 - 15).astype(np.int8).view(np.uint8) for axis in (X, Y)]
LAB = np.dstack([GREY // 2 + 100, *TINTS])


def from_lab(lab: np.ndarray) -> np.ndarray:
    """sRGB of CIELAB under daylight of 5,000 K: the formulas of CIE 15 and IEC 61966-2-1."""
    lightness = lab[..., 0] * (100 / 255)
    green_red, blue_yellow = (lab[..., band].view(np.int8).astype(float) for band in (1, 2))
    middle = (lightness + 16) / 116
    parts = np.stack([middle + green_red / 500, middle, middle - blue_yellow / 200], axis=2)
    lights = np.where(parts > 6 / 29, parts**3, 3 * (6 / 29) ** 2 * (parts - 4 / 29))
    linear = (lights * (0.9642, 1.0, 0.8249)) @ TO_SRGB.T
    curved = np.where(
        linear > 0.0031308, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055, 12.92 * linear
    )
    return np.rint(curved.clip(0, 1) * 255).astype(np.uint8)


TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""From XYZ under daylight of 5,000 K to linear sRGB (Bradford)."""


def compressed(how: str, array: np.ndarray = COLOUR, **more: object) -> bytes:
    """Written by libtiff."""
    return stored(picture(array), "TIFF", compression=how, **more)


def bits_of(how: str) -> bytes:
    """Black and white, written by libtiff."""
    return stored(picture(BITS * 255).convert("1"), "TIFF", compression=how)


PLAIN = (
    ("1 bit", lambda: tiff(BITS, bits=1), BITS * 255),
    ("1 bit, 0 is white", lambda: tiff(1 - BITS, 0, bits=1), BITS * 255),
    ("1 bit, fax (group 4)", lambda: bits_of("group4"), BITS * 255),
    ("grey, 2 bits", lambda: tiff(QUARTERS, bits=2), QUARTERS * 85),
    ("grey, 4 bits", lambda: tiff(SIXTEENTHS, bits=4), SIXTEENTHS * 17),
    ("grey", lambda: tiff(GREY), GREY),
    ("grey, 0 is white", lambda: tiff(255 - GREY, 0), GREY),
    ("grey, tiles", lambda: tiff(GREY, tile=16), GREY),
    ("colour", lambda: tiff(COLOUR, 2), COLOUR),
    ("colour, big-endian", lambda: tiff(COLOUR, 2, order=">"), COLOUR),
    ("colour, tiles", lambda: tiff(COLOUR, 2, tile=16), COLOUR),
    ("colour, one plane after the other", lambda: tiff(COLOUR, 2, planar=True), COLOUR),
    ("colour, deflated tiles", lambda: tiff(COLOUR, 2, tile=16, deflated=True), COLOUR),
    ("colour, LZW", lambda: compressed("tiff_lzw"), COLOUR),
    ("colour, LZW of differences", lambda: compressed("tiff_lzw", tiffinfo={317: 2}), COLOUR),
    ("colour, deflated", lambda: compressed("tiff_adobe_deflate"), COLOUR),
    ("colour, PackBits", lambda: compressed("packbits"), COLOUR),
    ("palette", lambda: tiff(SIXTEENTHS, 3, palette=PALETTE_16), COLOURED),
    ("palette, 4 bits", lambda: tiff(SIXTEENTHS, 3, bits=4, palette=PALETTE_16[:, :16]), COLOURED),
    ("orientation 6", lambda: tiff(np.rot90(COLOUR, 1), 2, orientation=6), COLOUR),
)
SEEN = (
    ("grey and opacity", lambda: tiff(with_opacity(GREY), 1, extra=2), over_white(GREY), OVER),
    (
        "colour and opacity",
        lambda: tiff(with_opacity(COLOUR), 2, extra=2),
        over_white(COLOUR),
        OVER,
    ),
    (
        "colour times opacity (RGBa)",
        lambda: tiff(with_opacity(MULTIPLIED), 2, extra=1),
        over_white(COLOUR),
        OVER,
    ),
    (
        "colour and a band of no meaning",
        lambda: tiff(with_opacity(COLOUR), 2, extra=0),
        COLOUR,
        "its colours",
    ),
    (
        "palette and opacity (PA)",
        lambda: stored(_palette_and_opacity(), "TIFF"),
        over_white(COLOURED),
        OVER,
    ),
    (
        "grey and a band of no meaning",
        lambda: tiff(with_opacity(GREY), 1, extra=0),
        GREY,
        "its grey",
    ),
    ("YCbCr", lambda: tiff(np.asarray(picture().convert("YCbCr")), 6), COLOUR, "its colours"),
    ("LAB", lambda: tiff(LAB, 8), from_lab(LAB), "its colours on a screen"),
    ("CMYK", lambda: tiff(INKS, 5), from_inks(INKS), "its colours on a screen"),
    (
        "several pages",
        lambda: stored(picture(), "TIFF", save_all=True, append_images=[picture(COLOUR[::-1])]),
        COLOUR,
        "the first page",
    ),
)
DEEP_KINDS = (
    ("grey, 16 bits", lambda: tiff(DEEP), upper(DEEP)),
    ("grey, 16 bits, big-endian", lambda: tiff(DEEP, order=">"), upper(DEEP)),
    (
        "grey, 16 bits, big-endian, deflated",
        lambda: tiff(DEEP, order=">", deflated=True),
        upper(DEEP),
    ),
    ("grey, 16 bits, tiles", lambda: tiff(DEEP, tile=16), upper(DEEP)),
    ("grey, 16 bits, 0 is white", lambda: tiff(65535 - DEEP, 0), upper(DEEP)),
    ("grey, 16 bits with sign", lambda: tiff(SIGNED), upper(DEEP)),
    ("grey, 16 bits with sign, big-endian", lambda: tiff(SIGNED, order=">"), upper(DEEP)),
    ("grey, 32 bits with sign", lambda: tiff(SIGNED.astype(np.int32) * 65536), upper(DEEP)),
    ("grey, 32 bits", lambda: tiff(DEEP.astype(np.uint32) * 65537), upper(DEEP)),
    ("floats, 32 bits", lambda: tiff(SHARES), upper(DEEP)),
    ("floats, 32 bits, big-endian", lambda: tiff(SHARES, order=">"), upper(DEEP)),
    ("floats, 32 bits, deflated tiles", lambda: tiff(SHARES, tile=16, deflated=True), upper(DEEP)),
    ("colour, 16 bits", lambda: tiff(DEEP_COLOUR, 2), upper(DEEP_COLOUR)),
    ("colour, 16 bits, big-endian", lambda: tiff(DEEP_COLOUR, 2, order=">"), upper(DEEP_COLOUR)),
    (
        "colour, 16 bits, deflated tiles, big-endian",
        lambda: tiff(DEEP_COLOUR, 2, tile=16, deflated=True, order=">"),
        upper(DEEP_COLOUR),
    ),
)


def _palette_and_opacity():  # type: ignore[no-untyped-def]
    image = palette_image().convert("PA")
    image.putalpha(picture(OPACITY))
    return image


def _not_a_number() -> bytes:
    spoilt = SHARES.copy()
    spoilt[3, 3] = np.nan
    return tiff(spoilt)


FULL_ONLY = (
    (
        "colour, 16 bits, one plane after the other, deflated",
        lambda: tiff(DEEP_COLOUR, 2, planar=True, deflated=True),
        upper(DEEP_COLOUR),
    ),
    ("CMYK, 16 bits", lambda: tiff(INKS.astype(np.uint16) * 257, 5), from_inks(INKS)),
)
REFUSED = (
    (
        "colour, 16 bits, one plane after the other, not compressed",
        lambda: tiff(DEEP_COLOUR, 2, planar=True),
        "one plane after the other and not compressed",
    ),
    ("floats in colour", lambda: tiff(SHARED_COLOUR, 2), "3 x 32-bit floats is not read here"),
    ("floats, 64 bits", lambda: tiff(SHARES.astype(np.float64)), "not read here"),
    ("floats, 16 bits", lambda: tiff(SHARES.astype(np.float16)), "not read here"),
    ("floats with NaN", _not_a_number, "NaN"),
    ("five bands", lambda: tiff(np.dstack([INKS, GREY]), 2, extra=0), "rare or damaged TIFF"),
    ("cut off", lambda: tiff(COLOUR, 2)[:200], "rare or damaged TIFF"),
)
KINDS = (
    *(Kind("TIFF", name, make, pixels) for name, make, pixels in PLAIN),
    *(Kind("TIFF", name, make, pixels, words, 3) for name, make, pixels, words in SEEN),
    *(Kind("TIFF", name, make, pixels, RANGE, 1) for name, make, pixels in DEEP_KINDS),
    Kind(
        "TIFF",
        "colour, JPEG",
        lambda: compressed("jpeg", quality=100),
        COLOUR,
        "its pixels, nearly",
        16,
    ),
    *(
        Kind(
            "TIFF",
            name,
            make,
            pixels,
            "the upper 8 of its 16 bits, with `value_range: full` only",
            2,
        )
        for name, make, pixels in FULL_ONLY
    ),
    *(Kind("TIFF", name, make, None, refused=why) for name, make, why in REFUSED),
)
