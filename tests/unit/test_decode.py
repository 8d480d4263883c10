"""An image file of any kind gives the right pixels."""

from __future__ import annotations

import io

import pytest

np = pytest.importorskip("numpy")
PIL = pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from PIL import Image  # noqa: E402

from models.data.decode import Broken, decode  # noqa: E402
from models.data.resize import study_square  # noqa: E402

SIZE = 16


def stored(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    """The image as a file's bytes."""
    handle = io.BytesIO()
    image.save(handle, kind, **how)
    return handle.getvalue()


def middle(contents: bytes) -> list[int]:
    """The colour in the middle of the decoded image."""
    return [int(value) for value in decode(contents, SIZE)[SIZE // 2, SIZE // 2]]


def test_a_plain_image_has_the_shape_and_kind_asked_for() -> None:
    """Three channels of bytes, square."""
    pixels = decode(stored(Image.new("RGB", (50, 20), (10, 20, 30))), SIZE)

    assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert pixels[3, 3].tolist() == [10, 20, 30]


THIRTEEN = int(PIL.__version__.split(".")[0]) >= 13


@pytest.mark.skipif(
    not THIRTEEN, reason="Pillow 13 resizes tall images in another order, and so does orch"
)
@pytest.mark.parametrize("size", [32, 64, 65, 100, 224, 299])
def test_resizing_and_cropping_are_torchvisions(size: int) -> None:
    """Equal to `Resize` to a square and `CenterCrop`, byte for byte, when shrinking and when
    enlarging.
    """
    transforms = pytest.importorskip(
        "torchvision.transforms", reason="torchvision is not installed"
    )
    side = round(size * 256 / 224)
    reference = transforms.Compose([transforms.Resize((side, side)), transforms.CenterCrop(size)])
    rng = np.random.default_rng(size)
    for shape in ((40, 57, 3), (300, 200, 3)):
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))

        assert np.array_equal(study_square(image, size), np.asarray(reference(image)))


@pytest.mark.skipif(
    not THIRTEEN, reason="Pillow 13 resizes tall images in another order, and so does orch"
)
@pytest.mark.parametrize("size", [14, 56, 112, 224])
@pytest.mark.parametrize(
    ("width", "height"),
    [
        (320, 240),
        (240, 320),
        (375, 500),
        (500, 375),
        (208, 242),
        (224, 225),
        (256, 256),
        (224, 256),
        (128, 16),
        (1, 1),
        (3, 2000),
        (2000, 3),
        (300, 344),
        (300, 345),
        (1023, 767),
    ],
)
def test_a_centre_computed_alone_has_the_pixels_of_the_whole(
    size: int, width: int, height: int
) -> None:
    """Bit for bit, whichever direction Pillow resizes first."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image, side, margin = Image.fromarray(pixels), size * 8 // 7, size // 14
    whole = image.resize((side, side), Image.Resampling.BILINEAR)

    assert np.array_equal(
        study_square(image, size), np.asarray(whole)[margin : margin + size, margin : margin + size]
    )


def test_grey_images_get_three_equal_channels() -> None:
    """One channel of 8 bits."""
    assert middle(stored(Image.new("L", (20, 20), 77))) == [77, 77, 77]


def test_black_and_white_images_come_out_black_and_white() -> None:
    """One bit a pixel."""
    assert middle(stored(Image.new("1", (20, 20), 1))) == [255, 255, 255]


def test_sixteen_bits_are_cut_to_their_upper_eight() -> None:
    """A bright 16-bit grey does not turn white, a dark one not black."""
    for value, expected in ((0x8000, 0x80), (0x1234, 0x12), (0xFFFF, 0xFF)):
        image = Image.fromarray(np.full((20, 20), value, np.uint16))

        assert middle(stored(image)) == [expected] * 3
        assert middle(stored(image, "TIFF")) == [expected] * 3


def test_transparent_parts_lie_over_white() -> None:
    """Alpha with colour, with grey, and half of it."""
    assert middle(stored(Image.new("RGBA", (20, 20), (200, 0, 0, 0)))) == [255, 255, 255]
    assert middle(stored(Image.new("RGBA", (20, 20), (200, 0, 0, 255)))) == [200, 0, 0]
    assert middle(stored(Image.new("LA", (20, 20), (0, 0)))) == [255, 255, 255]
    assert 125 <= middle(stored(Image.new("RGBA", (20, 20), (0, 0, 0, 128))))[0] <= 129


def test_palette_images_show_their_colours_and_transparency() -> None:
    """A palette entry marked transparent is white, others keep their colour."""
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 40, 50, 60] + [0] * 762)

    assert middle(stored(image)) == [40, 50, 60]
    assert middle(stored(image, "GIF")) == [40, 50, 60]
    assert middle(stored(image, transparency=1)) == [255, 255, 255]
    assert middle(stored(image, transparency=0)) == [40, 50, 60]


def test_a_transparent_colour_of_an_rgb_image_is_white() -> None:
    """PNG can name one colour as transparent without an alpha channel."""
    assert middle(stored(Image.new("RGB", (20, 20), (1, 2, 3)), transparency=(1, 2, 3))) == [
        255,
        255,
        255,
    ]


def test_printing_colours_become_screen_colours() -> None:
    """CMYK JPEG: no ink is white, full cyan holds no red."""
    white = middle(stored(Image.new("CMYK", (20, 20), (0, 0, 0, 0)), "JPEG"))
    cyan = middle(stored(Image.new("CMYK", (20, 20), (255, 0, 0, 0)), "JPEG"))

    assert min(white) >= 250
    assert cyan[0] <= 5
    assert min(cyan[1:]) >= 250


@pytest.mark.parametrize("turn", range(1, 9))
def test_images_are_turned_upright_as_their_camera_noted(turn: int) -> None:
    """All eight EXIF orientations give the same upright picture."""
    upright = Image.new("RGB", (32, 32), "black")
    upright.paste((255, 0, 0), (0, 0, 16, 16))
    upright.paste((0, 255, 0), (16, 0, 32, 16))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    taken = upright.transpose(undo[turn]) if turn in undo else upright
    exif = Image.Exif()
    exif[0x0112] = turn

    assert np.array_equal(decode(stored(taken, exif=exif), SIZE), decode(stored(upright), SIZE))


def test_the_first_picture_of_an_animation_is_taken() -> None:
    """A GIF of two frames."""
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((250, 0, 0), (0, 0, 250))]

    assert middle(stored(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0] >= 240


NOISE = Image.effect_noise((64, 64), 50).convert("RGB")


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"Hello, I am text.",
        b"\x89PNG\r\n\x1a\n",
        stored(NOISE, "JPEG")[:-400],
        stored(NOISE)[:-4000],
        stored(NOISE, "GIF")[:200],
    ],
    ids=["empty", "text", "signature", "short-jpeg", "short-png", "short-gif"],
)
def test_what_is_no_whole_image_is_broken(contents: bytes) -> None:
    """Empty, foreign and truncated files raise `Broken` with a reason."""
    with pytest.raises(Broken) as refusal:
        decode(contents, SIZE)

    assert str(refusal.value)


def test_a_decompression_bomb_is_broken() -> None:
    """A small file that claims a huge size is rejected before it is decoded."""
    bomb = stored(Image.new("1", (20_000, 20_000)))
    with pytest.raises(Broken, match="decompression bomb"):
        decode(bomb, SIZE)
