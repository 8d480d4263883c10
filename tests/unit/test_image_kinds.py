"""Each kind of image file gives the pixels that docs/image-kinds.md promises, or is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
PIL = pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from PIL import Image, features  # noqa: E402
from support import image_kinds  # noqa: E402
from support.image_kinds import SIZE, Kind  # noqa: E402

from jobs.data import pixel_format  # noqa: E402
from jobs.data.value_range import FULL_RANGE, UNKNOWN, ValueRange  # noqa: E402
from models.data.decode import Broken, decode  # noqa: E402
from orchestrator.datasets.look import look  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "image-kinds.md"
CODECS = {"WebP": "webp", "AVIF": "avif", "JPEG 2000": "jpg_2000", "JPEG": "jpg"}
KINDS = list(image_kinds.every_kind())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.container}: {kind.name}")
def test_a_kind_gives_its_pixels_or_is_refused_by_name(kind: Kind, tmp_path: Path) -> None:
    """Preparing and inspecting agree, whatever the ending of the file's name."""
    if not features.check(CODECS.get(kind.container, "zlib")):
        pytest.skip(f"this Pillow reads no {kind.container}")
    contents = kind.make()
    file = tmp_path / "wrong.dat"
    file.write_bytes(contents)
    if kind.refused:
        with pytest.raises(Broken) as refusal:
            decode(contents, SIZE, FULL_RANGE)
        with pytest.raises(Broken) as other:
            decode(contents, SIZE, ValueRange("given", 0, 9))
        assert kind.refused in str(refusal.value)
        assert kind.refused in str(other.value)
        assert kind.refused in look(file).fault
        return
    pixels = decode(contents, SIZE, FULL_RANGE).astype(int)
    seen = look(file)

    assert np.abs(pixels - kind.middle).max() <= kind.off
    assert not seen.fault
    assert seen.levels > 0 or not np.ptp(kind.middle, axis=(0, 1)).any()


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if not k.refused], ids=lambda kind: f"{kind.container}: {kind.name}"
)
def test_what_holds_more_than_8_bits_is_never_cut_without_being_asked(kind: Kind) -> None:
    """Without a range it is refused; files of 8 bits need none and do not change with one."""
    if not features.check(CODECS.get(kind.container, "zlib")):
        pytest.skip(f"this Pillow reads no {kind.container}")
    contents = kind.make()
    pixels = pixel_format.read(io.BytesIO(contents))
    if pixels is not None and pixels.beyond_8_bits:
        with pytest.raises(Broken, match=r"beyond 8 bits|no range of values|full range only"):
            decode(contents, SIZE, UNKNOWN)
        return

    chosen = decode(contents, SIZE, ValueRange("given", 5, 9))
    assert np.array_equal(decode(contents, SIZE, UNKNOWN), chosen)


def test_the_page_of_the_manual_is_this_table() -> None:
    """`python tests/support/image_kinds.py` writes it again."""
    _, _, table = PAGE.read_text("utf-8").partition("| container |")

    assert f"| container |{table}" == image_kinds.as_table()
    assert len(KINDS) >= 60


def test_the_table_has_every_mode_that_a_file_can_have() -> None:
    """As Pillow names them. HSV, La and RGBX come from no file that is in the table."""
    modes = set()
    for kind in KINDS:
        if kind.refused or not features.check(CODECS.get(kind.container, "zlib")):
            continue
        with Image.open(io.BytesIO(kind.make())) as image:
            modes.add(image.mode)

    assert modes >= {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "F", "I"}
    assert modes >= {"I;16", "I;16B"}
