"""Kinds of files of photographs: JPEG, WebP, JPEG 2000, AVIF; and what a camera notes in them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from support.image_kinds import (
    COLOUR,
    DEEP,
    GREY,
    INKS,
    SIDE,
    Kind,
    from_inks,
    over_white,
    picture,
    stored,
    upper,
    with_opacity,
)

BEST = {"quality": 100, "subsampling": 0}
NEAR, OVER = "its pixels, nearly", "its pixels over white"
TURNS = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: np.rot90(np.swapaxes(pixels, 0, 1), 2),
    8: lambda pixels: np.rot90(pixels, 3),
}
"""How a camera that was held in this way stored an upright picture."""


def ycck() -> bytes:
    """A JPEG as Photoshop writes it: inks as luminance and colour differences, and inverted."""
    luminance = np.asarray(picture(INKS[..., :3]).convert("YCbCr"))
    inverted = np.dstack([255 - luminance, INKS[..., 3]])
    contents = bytearray(stored(picture(inverted, "CMYK"), "JPEG", **BEST))
    contents[contents.index(b"Adobe") + 11] = 2
    return bytes(contents)


def held(turn: int, kind: str) -> bytes:
    """A picture that has to be turned upright."""
    exif = Image.Exif()
    exif[0x0112] = turn
    how = BEST if kind == "JPEG" else {"lossless": True, "exact": True} if kind == "WEBP" else {}
    return stored(picture(TURNS[turn](COLOUR)), kind, exif=exif, **how)


def _held_avif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return stored(picture(TURNS[6](COLOUR)), "AVIF", exif=exif, quality=100, subsampling="4:4:4")


def animated_webp() -> bytes:
    """Two frames."""
    return stored(
        picture(), "WEBP", lossless=True, save_all=True, append_images=[picture(COLOUR[::-1])]
    )


def _webp(array: np.ndarray, **how: object) -> bytes:
    return stored(picture(array), "WEBP", **how)


def _jp2(array: np.ndarray, mode: str | None = None, **how: object) -> bytes:
    return stored(picture(array, mode), "JPEG2000", irreversible=False, **how)


JPEG = (
    ("grey", lambda: stored(picture(GREY), "JPEG", quality=100), GREY, 2),
    ("colour, baseline", lambda: stored(picture(), "JPEG", **BEST), COLOUR, 4),
    ("colour, progressive", lambda: stored(picture(), "JPEG", progressive=True, **BEST), COLOUR, 4),
    (
        "colour of half the size",
        lambda: stored(picture(), "JPEG", quality=100, subsampling=2),
        COLOUR,
        16,
    ),
    (
        "colour, not as luminance",
        lambda: stored(picture(), "JPEG", keep_rgb=True, quality=100),
        COLOUR,
        2,
    ),
    (
        "restart marks",
        lambda: stored(picture(), "JPEG", restart_marker_blocks=1, **BEST),
        COLOUR,
        4,
    ),
    ("CMYK", lambda: stored(picture(INKS, "CMYK"), "JPEG", **BEST), from_inks(INKS), 4),
    ("YCCK", ycck, from_inks(INKS), 5),
)
OTHERS = (
    ("WebP", "lossless", lambda: _webp(COLOUR, lossless=True), COLOUR, "its pixels", 0),
    ("WebP", "lossy", lambda: _webp(COLOUR, quality=100), COLOUR, NEAR, 16),
    (
        "WebP",
        "with opacity",
        lambda: _webp(with_opacity(COLOUR), lossless=True, exact=True),
        over_white(COLOUR),
        OVER,
        1,
    ),
    ("WebP", "animated", animated_webp, COLOUR, "the first frame", 0),
    ("JPEG 2000", "grey", lambda: _jp2(GREY), GREY, "its pixels", 0),
    ("JPEG 2000", "colour", lambda: _jp2(COLOUR), COLOUR, "its pixels", 0),
    (
        "JPEG 2000",
        "colour, without a box",
        lambda: _jp2(COLOUR, no_jp2=True),
        COLOUR,
        "its pixels",
        0,
    ),
    (
        "JPEG 2000",
        "grey and opacity",
        lambda: _jp2(with_opacity(GREY), "LA"),
        over_white(GREY),
        OVER,
        1,
    ),
    (
        "JPEG 2000",
        "colour and opacity",
        lambda: _jp2(with_opacity(COLOUR)),
        over_white(COLOUR),
        OVER,
        1,
    ),
    (
        "JPEG 2000",
        "grey, 16 bits",
        lambda: _jp2(DEEP),
        upper(DEEP),
        "its 16 bits, over the range of the data set",
        1,
    ),
    (
        "AVIF",
        "colour",
        lambda: stored(picture(), "AVIF", quality=100, subsampling="4:4:4"),
        COLOUR,
        NEAR,
        6,
    ),
    (
        "AVIF",
        "with opacity",
        lambda: stored(picture(with_opacity(COLOUR)), "AVIF", quality=100, subsampling="4:4:4"),
        over_white(COLOUR),
        "its pixels over white, nearly",
        6,
    ),
    ("AVIF", "EXIF orientation 6", _held_avif, COLOUR, f"upright, {NEAR}", 6),
    (
        "MPO",
        "two views of a camera",
        lambda: stored(
            picture(), "MPO", save_all=True, append_images=[picture(COLOUR[::-1])], **BEST
        ),
        COLOUR,
        "the first view, nearly",
        4,
    ),
)


def _large(width: int, height: int) -> bytes:
    return stored(Image.new("RGB", (width, height), (90, 120, 200)), "PNG")


PLAIN = np.full((SIDE, SIDE, 3), (90, 120, 200), np.uint8)
SHAPES = (
    ("any", "1 x 1 pixel", lambda: _large(1, 1), "that colour"),
    ("any", "3,000 x 1 pixels", lambda: _large(3000, 1), "that colour, squashed"),
    ("any", "1 x 3,000 pixels", lambda: _large(1, 3000), "that colour, squashed"),
)
NOISE = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
FAULTS = (
    ("JPEG", "cut off", lambda: stored(picture(NOISE), "JPEG")[:-900], "truncated"),
    ("JPEG", "a header alone", lambda: stored(picture(NOISE), "JPEG")[:100], "Truncated"),
    ("WebP", "cut off", lambda: _webp(NOISE, lossless=True)[:-900], "decoder"),
    ("JPEG 2000", "cut off", lambda: _jp2(NOISE)[:-900], "broken data stream"),
    ("AVIF", "cut off", lambda: stored(picture(NOISE), "AVIF")[:-900], "rare or damaged AVIF"),
)
KINDS = (
    *(Kind("JPEG", name, make, pixels, NEAR, off) for name, make, pixels, off in JPEG),
    *(
        Kind(
            "JPEG",
            f"EXIF orientation {turn}",
            lambda turn=turn: held(turn, "JPEG"),
            COLOUR,
            f"upright, {NEAR}",
            4,
        )
        for turn in TURNS
    ),
    *(
        Kind(
            box,
            f"EXIF orientation {turn}",
            lambda turn=turn, kind=kind: held(turn, kind),
            COLOUR,
            "upright",
        )
        for box, kind in (("WebP", "WEBP"), ("TIFF", "TIFF"))
        for turn in (3, 6)
    ),
    *(Kind(*each) for each in OTHERS),
    *(Kind(box, name, make, PLAIN, words) for box, name, make, words in SHAPES),
    *(Kind(box, name, make, None, refused=why) for box, name, make, why in FAULTS),
)
