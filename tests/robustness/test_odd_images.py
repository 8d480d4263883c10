"""Odd but whole images: each comes out as what it shows."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np
from PIL import Image
from support.image_bytes import stored

from models.data.decode import decode

SIZE = 16
BLUE = (9, 99, 199)


def in_palette(index: int) -> Image.Image:
    """One colour of a palette of three."""
    image = Image.new("P", (9, 9), index)
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    return image


ODD_BUT_WHOLE: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "one pixel": (stored(Image.new("RGB", (1, 1), BLUE), "PNG"), BLUE),
    "one row": (stored(Image.new("RGB", (5000, 1), BLUE), "PNG"), BLUE),
    "one column": (stored(Image.new("RGB", (1, 5000), BLUE), "PNG"), BLUE),
    "grey with alpha": (stored(Image.new("LA", (9, 9), (0, 0)), "PNG"), (255, 255, 255)),
    "palette with transparency": (stored(in_palette(1), "PNG", transparency=1), (255, 255, 255)),
    "transparent": (stored(Image.new("RGBA", (9, 9), (255, 0, 0, 0)), "PNG"), (255, 255, 255)),
    "half transparent WebP": (
        stored(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "WEBP", lossless=True),
        (255, 255, 255),
    ),
    "CMYK": (stored(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG", quality=100), (254, 0, 0)),
    "16 bits": (
        stored(Image.fromarray(np.full((9, 9), 0x8000, np.uint16)), "PNG"),
        (128, 128, 128),
    ),
    "floats": (stored(Image.fromarray(np.full((9, 9), 0.5, np.float32)), "TIFF"), (128, 128, 128)),
    "floats that are no numbers": (
        stored(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF"),
        (0, 0, 0),
    ),
    "bits": (stored(Image.new("1", (9, 9), 1), "PNG"), (255, 255, 255)),
    "an animation": (
        stored(
            Image.new("RGB", (9, 9), (255, 0, 0)),
            "GIF",
            save_all=True,
            append_images=[Image.new("RGB", (9, 9), (0, 0, 255))],
        ),
        (255, 0, 0),
    ),
    "a wrong ICC profile": (
        stored(Image.new("RGB", (9, 9), BLUE), "PNG", icc_profile=b"rubbish"),
        BLUE,
    ),
    "rubbish after the end": (
        stored(Image.new("RGB", (9, 9), BLUE), "PNG") + b"rubbish" * 99,
        BLUE,
    ),
    "an icon": (stored(Image.new("RGB", (16, 16), BLUE), "ICO"), BLUE),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_come_out_upright(orientation: int) -> None:
    """A picture with one red corner, stored turned and marked so, has the corner where it
    belongs.
    """
    upright = Image.new("RGB", (64, 64), "white")
    upright.paste((255, 0, 0), (0, 0, 32, 32))
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = turns[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation

    pixels = decode(
        stored(upright if turn is None else upright.transpose(turn), "JPEG", exif=exif, quality=95),
        SIZE,
    )

    assert [int(v) for v in pixels[3, 3] // 128] == [1, 0, 0]
    assert all(
        int(v) > 200 for v in (pixels[3, 12].min(), pixels[12, 3].min(), pixels[12, 12].min())
    )


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0" + bytes(100),
        b"not exif",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\x7f\0\0\0\0\0\0\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0",
    ],
    ids=range(9),
)
def test_a_whole_image_with_damaged_exif_is_taken(exif: bytes) -> None:
    """Cameras and editors write odd EXIF; the pixels are whole, so the image counts."""
    image = stored(Image.new("RGB", (20, 20), (200, 10, 10)), "JPEG", exif=exif)

    assert decode(image, SIZE).shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize(("contents", "colour"), ODD_BUT_WHOLE.values(), ids=ODD_BUT_WHOLE)
def test_an_odd_but_whole_image_comes_out_right(
    contents: bytes, colour: tuple[int, int, int]
) -> None:
    """The colour in the middle is the one that was drawn."""
    found = decode(contents, SIZE)[SIZE // 2, SIZE // 2]

    assert np.abs(found.astype(int) - colour).max() <= 3
