"""The setting of a value range: how it is written, and where it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
PIL = pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from support.deep_images import RAMP, folder_of, tiff  # noqa: E402

from jobs.data import sources  # noqa: E402
from jobs.data.value_range import FULL_RANGE, ValueRange  # noqa: E402
from jobs.errors import BadFolder, BadSpec  # noqa: E402
from jobs.spec import model  # noqa: E402
from models.data.decode import Broken, decode  # noqa: E402

SIZE = 16


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("auto", "auto"), (" FULL ", "full"), ("0,4095", "0,4095"), ([0, 4095], "0,4095"),
        ("-1000, 400", "-1000,400"), ([0.5, 1], "0.5,1"), ("0,1e3", "0,1000"),
    ],
)  # fmt: skip
def test_a_range_has_one_spelling(given: object, kept: str) -> None:
    """So that the same range is the same data set."""
    spec = model.build({"backbones": "scratch", "value_range": given})

    assert spec.value_range == kept


@pytest.mark.parametrize(
    "given", ["", "min", "1", "5,5", "9,1", "0,nan", "0,inf", "1,2,3", [1], [True, 2], 7, None]
)
def test_what_is_no_range_is_refused(given: object) -> None:
    """With what is taken."""
    with pytest.raises(BadSpec, match=r"^value_range: auto, full, or LOW,HIGH"):
        model.build({"backbones": "scratch", "value_range": given})


def test_a_range_that_would_do_nothing_is_refused(animal_folder: Path) -> None:
    """All images have 8 bits."""
    asked = {"backbones": "scratch", "weights": "none", "value_range": "0,100"}

    for data in (str(animal_folder), "digits"):
        with pytest.raises(BadFolder, match="would do nothing"):
            sources.read(model.build(asked | {"data": data}))


def test_integers_and_floats_have_no_common_range(tmp_path: Path) -> None:
    """Refused before anything is queued, unless a range is given."""
    files = {f"a/{n}.tif": tiff((RAMP * 4095).astype(np.uint16)) for n in range(3)}
    files |= {f"b/{n}.tif": tiff(RAMP.astype(np.float32)) for n in range(3)}
    folder = folder_of(tmp_path, files)
    asked = {"backbones": "scratch", "weights": "none", "data": str(folder)}

    with pytest.raises(BadFolder, match=r"b/0\.tif.*a/0\.tif"):
        sources.read(model.build(asked))
    assert sources.read(model.build(asked | {"value_range": "full"})).preparation == 2


def test_colours_whose_lower_bits_cannot_be_read_need_the_full_range() -> None:
    """A PPM of 16 bits: Pillow gives the upper 8 of each colour."""
    ppm = b"P6 2 2 65535\n" + np.full((2, 2, 3), 0x8000, ">u2").tobytes()

    with pytest.raises(Broken, match="--value-range full"):
        decode(ppm, SIZE, ValueRange("given", 0, 4095))
    assert decode(ppm, SIZE, FULL_RANGE)[0, 0].tolist() == [128] * 3


def test_a_type_that_is_not_read_is_named() -> None:
    """64-bit floats are an image, though not one that Pillow reads."""
    with pytest.raises(Broken, match="64-bit floats is not read here"):
        decode(tiff(RAMP.astype(np.float64)), SIZE, ValueRange("given", 0, 1))
