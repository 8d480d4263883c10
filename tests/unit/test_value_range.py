"""Values beyond 8 bits: one range for a data set, found or given, and exact pixels from it."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
PIL = pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from PIL import Image, ImageOps  # noqa: E402
from support.deep_images import RAMP, folder_of, png16, stored, tiff  # noqa: E402

from jobs.data import image_folder, pixel_format, value_range  # noqa: E402
from jobs.data.value_range import FULL_RANGE, UNKNOWN, ValueRange  # noqa: E402
from jobs.errors import BadImages  # noqa: E402
from jobs.spec.model import DataSettings  # noqa: E402
from models.data import values  # noqa: E402
from models.data.decode import Broken, decode  # noqa: E402
from models.data.prepare_data_set import prepare_folder  # noqa: E402
from models.data.resize import study_square  # noqa: E402

SIZE = 16


def prepared(
    folder: Path, target: Path, **settings: object
) -> tuple[np.ndarray, dict[str, object]]:
    """The array and the facts of a folder's data set."""
    source = image_folder.read_folder(folder)
    facts = prepare_folder(source, DataSettings(image_size=SIZE, **settings), target, processes=1)
    return np.load(target / "images.npy"), facts


def shots(make: object, count: int = 3) -> dict[str, bytes]:
    """Files of two classes; `make(scale)` gives the bytes of a file."""
    return {
        f"{label}/{number}.tif": make((number + 1 + place) / (count + 1))  # type: ignore[operator]
        for place, label in enumerate(("day", "night"))
        for number in range(count)
    }


@pytest.mark.parametrize(
    "kind",
    [
        "12 bits",
        "10 bits",
        "up to 255",
        "16 bits",
        "int16",
        "int32",
        "float",
        "float 1.0001",
        "int8",
    ],
)
def test_a_ramp_is_a_ramp_whatever_its_type(kind: str, tmp_path: Path) -> None:
    """From black to white in the set, with every exposure in its place."""
    low, high, dtype = {
        "12 bits": (0, 4095, "uint16"), "10 bits": (0, 1023, "uint16"),
        "up to 255": (0, 255, "uint16"), "16 bits": (0, 65535, "uint16"),
        "int16": (-1000, 3000, "int16"), "int32": (-70000, 900000, "int32"),
        "float": (-1, 1, "float32"), "float 1.0001": (0, 1.0001, "float32"),
        "int8": (-128, 127, "int8"),
    }[kind]  # fmt: skip
    files = shots(lambda scale: tiff((RAMP * scale * (high - low) + low).astype(dtype)))
    pixels, facts = prepared(folder_of(tmp_path / "d", files), tmp_path / "p")
    means = pixels.mean(axis=(1, 2, 3))
    used = facts["value_range"]

    assert int(pixels.min()) < 16
    assert int(pixels.max()) > 230
    assert means[3] > 1.5 * means[0]  # twice the exposure is brighter, not the same
    assert used["low"] == pytest.approx(low)  # type: ignore[index]
    assert used["high"] == pytest.approx(high, rel=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("write", [png16, tiff], ids=["png", "tiff"])
def test_all_16_bits_of_every_colour_are_read(bands: int, write: object) -> None:
    """Pillow gives the upper 8 only; 12 bits in 16 would be 15 greys."""
    if write is tiff and bands == 2:
        pytest.skip("Pillow reads no TIFF of grey and opacity in 16 bits")
    rng = np.random.default_rng(bands)
    array = rng.integers(0, 2**16, (20, 30, bands), dtype=np.uint16)
    contents = (
        png16(array)
        if write is png16
        else tiff(
            array[..., 0] if bands == 1 else array, 1 if bands == 1 else 2, [2] * (bands == 4)
        )
    )
    pixels = pixel_format.read(io.BytesIO(contents))
    assert pixels is not None
    read = values.read(contents, pixels)
    colours = array[..., :1] if bands < 3 else array[..., :3]

    assert np.array_equal(read.array, colours)
    assert (read.alpha is None) == (bands in (1, 3))
    if read.alpha is not None:
        assert np.allclose(read.alpha, array[..., -1] / 65535)


def test_one_range_for_both_exposures_of_a_colour_set(tmp_path: Path) -> None:
    """12 bits in 16-bit RGB: told from the set, not from one image."""
    colour = np.stack([RAMP, RAMP.T, 1 - RAMP], axis=2)
    files = {
        f"{label}/{number}.png": png16((colour * (top - 40 * number)).astype(np.uint16))
        for label, top in (("a", 4095), ("b", 1000))
        for number in range(3)
    }
    pixels, facts = prepared(folder_of(tmp_path / "d", files), tmp_path / "p")

    assert pixels[0].max() > 230
    assert 50 < pixels[3].max() < 66
    assert facts["value_range"]["files"] == 6  # type: ignore[index]


def test_a_given_range_cuts_what_lies_outside(tmp_path: Path) -> None:
    """A window, as radiologists choose it; and it makes another data set."""
    files = shots(lambda scale: tiff((RAMP * (2000 + scale * 99) - 1000).astype(np.int16)))
    folder = folder_of(tmp_path / "d", files)
    pixels, facts = prepared(folder, tmp_path / "p", value_range="-160,240")
    source = image_folder.read_folder(folder)
    names = {
        source.data_id(DataSettings(value_range=each)) for each in ("auto", "full", "-160,240")
    }

    assert int(pixels[0, 0, 0, 0]) == 0
    assert int(pixels[0, 0, -1, 0]) == 255
    assert facts["value_range"] == {"setting": "-160,240", "low": -160.0, "high": 240.0}
    assert len(names) == 3


def test_the_full_range_is_that_of_the_type() -> None:
    """65,535 for 16 bits whatever they hold; 0 to 1 for floats, and more is refused."""
    half = tiff(np.full((9, 9), 32768, np.uint16))
    over = tiff(np.full((9, 9), 1.5, np.float32))

    assert decode(half, SIZE, FULL_RANGE)[0, 0].tolist() == [128] * 3
    with pytest.raises(Broken, match=r"1\.5"):
        decode(over, SIZE, FULL_RANGE)


def test_nan_is_refused_by_name_and_can_be_left_out(tmp_path: Path) -> None:
    """It has no place between black and white, and would spoil the range."""
    spoilt = (RAMP * 3).astype(np.float32)
    spoilt[3, 3] = np.nan
    files = shots(lambda scale: tiff((RAMP * scale).astype(np.float32)))
    folder = folder_of(tmp_path / "d", files | {"day/spoilt.tif": tiff(spoilt)})

    with pytest.raises(BadImages, match=r"day/spoilt\.tif \(1 of its values"):
        prepared(folder, tmp_path / "p1")
    _, facts = prepared(folder, tmp_path / "p2", skip_broken=True)

    assert facts["skipped"] == ["day/spoilt.tif"]
    assert facts["value_range"]["high"] == 1.0  # type: ignore[index]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_min_is_white_is_inverted_at_every_depth(dtype: str) -> None:
    """Photometric 0: the smallest value is the brightest."""
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    contents = tiff((RAMP * top).astype(dtype), photometric=0)
    pixels = decode(contents, SIZE, FULL_RANGE)

    if dtype == "float32" or dtype == "uint16":
        assert pixel_format.read(io.BytesIO(contents)) is not None
    assert pixels[0, 0, 0] > 230
    assert pixels[0, -1, 0] < 26


def test_a_fourth_band_is_alpha_only_where_the_file_says_so() -> None:
    """Near infrared beside red, green and blue hides nothing."""
    bands = np.full((20, 20, 4), (200, 100, 50, 0), np.uint8)

    assert decode(tiff(bands, 2), SIZE, UNKNOWN)[0, 0].tolist() == [200, 100, 50]
    assert decode(tiff(bands, 2, [0]), SIZE, UNKNOWN)[0, 0].tolist() == [200, 100, 50]
    assert decode(tiff(bands, 2, [2]), SIZE, UNKNOWN)[0, 0].tolist() == [255, 255, 255]


def test_images_that_use_few_greys_are_told(tmp_path: Path) -> None:
    """Under a tenth of the range from black to white, after preparation."""
    shades = iter(range(6))
    files = shots(lambda scale: tiff((RAMP * 4000 + 9000 * next(shades)).astype(np.uint16)))
    files["day/white.tif"] = tiff(np.full((9, 9), 60000, np.uint16))
    _, facts = prepared(folder_of(tmp_path / "d", files), tmp_path / "p")

    assert len(facts["low_contrast"]) == 7  # type: ignore[arg-type]


def test_a_set_of_8_bits_keeps_its_name_and_others_are_named_anew(tmp_path: Path) -> None:
    """The name of version 0.1.0 is a hash that this test repeats."""
    plain = {f"{c}/{n}.png": stored(Image.new("L", (9, 9), n * 9)) for c in "ab" for n in range(3)}
    deep = {f"{c}/{n}.png": png16(np.full((9, 9), n, np.uint16)) for c in "ab" for n in range(3)}
    for files, same in ((plain, True), (deep, False)):
        folder = folder_of(tmp_path / ("plain" if same else "deep"), files)
        settings = DataSettings(image_size=64)
        source = image_folder.read_folder(folder)
        asked = {"image_size": 64, "split": [70, 10, 20], "split_seed": 0, "skip_broken": False}
        state = hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode() + b"folder")
        for path in sorted(files):
            digest = hashlib.sha256(files[path]).hexdigest()
            state.update(f"\0{path}\0{path[0]}\0{digest}".encode())

        assert (source.fingerprint(settings) == state.hexdigest()) is same


def old_rgb(image: Image.Image) -> Image.Image:
    """The conversion of version 0.1.0, word for word, for images of 8 bits."""
    ImageOps.exif_transpose(image, in_place=True)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image if image.mode == "RGB" else image.convert("RGB")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "GIF", "BMP", "WEBP", "PPM"])
def test_images_of_8_bits_have_the_pixels_of_0_1_0(mode: str, kind: str) -> None:
    """Bit for bit, whatever range is asked for."""
    rng = np.random.default_rng(1)
    colours = Image.fromarray(rng.integers(0, 256, (33, 47, 4), dtype=np.uint8))
    image = colours.convert("RGB").convert(mode) if mode not in ("LA", "RGBA") else colours
    image = image if image.mode == mode else image.convert(mode)
    try:
        contents = stored(image, kind)
    except (OSError, ValueError):
        pytest.skip(f"Pillow writes no {mode} as {kind}")
    with Image.open(io.BytesIO(contents)) as again:
        before = study_square(old_rgb(again), SIZE)

    assert pixel_format.read(io.BytesIO(contents)) is None
    for chosen in (UNKNOWN, FULL_RANGE, ValueRange("given", 5, 9), value_range.GUESSED):
        assert np.array_equal(decode(contents, SIZE, chosen), before)
