"""Image files of every wrong kind: each is left out by name with its reason, or comes out as what
it shows.
"""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.attacks import Bad, Desk, make_desk

from jobs.data import image_folder
from jobs.errors import BadImages
from jobs.spec.model import DataSettings
from models.data.decode import Broken, decode
from models.data.prepare import prepare_folder
from orchestrator.datasets import look

SIZE = 16
BLUE = (9, 99, 199)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8))


def stored(image: Image.Image, kind: str, **how: object) -> bytes:
    """The image as a file's bytes."""
    handle = io.BytesIO()
    image.save(handle, kind, **how)
    return handle.getvalue()


def png(width: int, height: int, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that claims a size, whatever its data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    """One part of a PNG, with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def zipped() -> bytes:
    """A zip file with a picture inside."""
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w") as archive:
        archive.writestr("1.png", PNG)
    return handle.getvalue()


def flipped(contents: bytes, place: int) -> bytes:
    """The same with all bits of one byte turned."""
    return contents[:place] + bytes([contents[place] ^ 0xFF]) + contents[place + 1 :]


PNG, JPEG, GIF = stored(NOISE, "PNG"), stored(NOISE, "JPEG"), stored(NOISE, "GIF")
WEBP, TIFF, BMP = stored(NOISE, "WEBP"), stored(NOISE, "TIFF"), stored(NOISE, "BMP")
EPS = stored(NOISE, "EPS")

NO_IMAGES: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"this is not an image\n",
    "a long text": b"not an image " * 10_000,
    "zeros": bytes(4096),
    "a page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" '
    b'height="9"/></svg>',
    "SVG with entities": b'<!DOCTYPE svg [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
    "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF\n",
    "a program of PostScript": EPS,
    "PostScript alone": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(owned) print\n",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
    "a film": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(200),
    "zip": zipped(),
    "gzip": b"\x1f\x8b\x08" + bytes(40),
    "a Python pickle": b"\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93"
    b"\x8c\x05touch\x85R.",
    "an array": b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"
    + bytes(60),
    "a database": b"SQLite format 3\0" + bytes(100),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize "
    b"12345\n",
    "a file of macOS": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(40),
    "a JPEG's first bytes": b"\xff\xd8\xff",
    "a JPEG's first bytes and text": b"\xff\xd8\xff and nothing more",
    "a JPEG without an image": b"\xff\xd8\xff\xd9",
    "a PNG's first bytes": PNG[:8],
    "a GIF's first bytes": b"GIF89a",
    "a WebP's first bytes": b"RIFF\x10\0\0\0WEBP",
    "a TIFF's first bytes": b"II*\0",
    "a TIFF that goes round": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "a BMP's first bytes": b"BM" + bytes(12),
    "a PNG without data": png(20, 20),
    "a PNG with too little data": png(20, 20, bytes(30)),
    "a PNG of no width": png(0, 20),
    "a PNG of no height": png(20, 0),
    "a PNG of a depth that is not": png(20, 20, bytes(2000), depth=7),
    "a PNG of a colour that is not": png(20, 20, bytes(2000), colour=5),
    "a bomb of 400 megapixels": png(20_000, 20_000, bytes(100)),
    "a bomb of the largest size": png(2**31 - 1, 2**31 - 1, bytes(100)),
    "a wide bomb": png(2**31 - 1, 1, bytes(100)),
    "a GIF bomb": b"GIF89a\xff\xff\xff\xff\x80\0\0"
    + bytes(6)
    + b",\0\0\0\0\xff\xff\xff\xff\0\2\0;",
    "a BMP bomb": BMP[:18] + struct.pack("<ii", 2**30, 2**30) + BMP[26:],
    "a PNG with a wrong checksum": flipped(PNG, 30),
    "a PNG with other sizes than its checksum": flipped(PNG, 19),
    "a PNG whose data are turned": flipped(PNG, len(PNG) // 2),
    "a PNG without its header": PNG[:8] + PNG[33:],
    "a JPEG whose tables are gone": JPEG[:20] + JPEG[JPEG.index(b"\xff\xc0") :],
    "a JPEG of no size": JPEG.replace(
        JPEG[JPEG.index(b"\xff\xc0") :][:9], b"\xff\xc0\x00\x11\x08\0\0\0\0"
    ),
    **{
        f"{name} cut to {share} in 10": contents[: len(contents) * share // 10]
        for name, contents in (
            ("JPEG", JPEG),
            ("PNG", PNG),
            ("GIF", GIF),
            ("WebP", WEBP),
            ("TIFF", TIFF),
            ("BMP", BMP),
        )
        for share in (1, 5, 9)
    },
}

ORIENTATIONS = range(1, 9)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """A desk with a folder `photos` of two classes of three images."""
    made = make_desk(tmp_path, monkeypatch, capsys)
    for label in "ab":
        (made.folder / "photos" / label).mkdir(parents=True)
        for number in range(3):
            image = Image.new("RGB", (20, 20), (number * 80, 0 if label == "a" else 255, 9))
            (made.folder / "photos" / label / f"{number}.png").write_bytes(stored(image, "PNG"))
    return made


@pytest.mark.timeout(30)
@pytest.mark.parametrize("contents", NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_no_whole_image_is_broken_with_a_reason(contents: bytes, tmp_path: Path) -> None:
    """Preparing and inspecting agree, the reason fits in a line, and nothing takes long or much
    memory.
    """
    (tmp_path / "image.jpg").write_bytes(contents)
    started = time.monotonic()

    with pytest.raises(Broken) as caught:
        decode(contents, SIZE)
    seen = look.look(tmp_path / "image.jpg")

    assert 0 < len(str(caught.value)) <= 120
    assert "\n" not in str(caught.value)
    assert seen.fault
    assert seen.kind == ""
    assert time.monotonic() - started < 5


def test_a_folder_of_all_of_them_names_each(desk: Desk) -> None:
    """Twenty are named, the others counted, and with `skip_broken` the whole ones are prepared."""
    for number, contents in enumerate(NO_IMAGES.values()):
        (desk.folder / "photos" / "a" / f"x{number:03d}.jpg").write_bytes(contents)
    source = image_folder.read_folder(desk.folder / "photos")

    with pytest.raises(
        BadImages, match=rf"{len(NO_IMAGES)} file\(s\).*a/x000.jpg \(an empty file\).* and \d+ more"
    ):
        prepare_folder(source, DataSettings(image_size=SIZE), desk.folder / "w1", processes=1)
    facts = prepare_folder(
        source, DataSettings(image_size=SIZE, skip_broken=True), desk.folder / "w2", processes=1
    )

    assert facts["images"] == 6
    assert len(facts["skipped"]) == len(NO_IMAGES)


def test_a_broken_image_fails_the_preparation_and_publishes_nothing(desk: Desk) -> None:
    """The command ends with 1, for the request was right and the work failed; no result is in the
    ledger.
    """
    (desk.folder / "photos" / "a" / "broken \x1b[31m.jpg").write_bytes(b"text")

    code = cli_run(["data", "prepare", "photos", "--image-size", "16"])
    said = desk.capsys.readouterr()

    assert code == 1
    assert said.err.splitlines()[-1].startswith("error: 1 file(s) in ")
    assert "a/broken \\x1b[31m.jpg (not an image)" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert not (desk.folder / "orch-store" / "ledger").exists()
    assert not list((desk.folder / "orch-store").rglob("*.npy"))


def cli_run(words: list[str]) -> int:
    """The exit code of a command line."""
    from orchestrator import cli

    return cli.run(words)


def test_too_few_images_to_split_are_refused(desk: Desk) -> None:
    """Two classes of one image leave nothing to test on."""
    for label in "ab":
        for number in (1, 2):
            (desk.folder / "photos" / label / f"{number}.png").unlink()

    code = cli_run(["data", "prepare", "photos"])

    assert code == 1
    assert "too few images to split" in desk.capsys.readouterr().err


@pytest.mark.parametrize(
    "row",
    [
        Bad(("data", "prepare", "photos", "--image-size", "7"), "image_size"),
        Bad(("data", "prepare", "photos", "--image-size", "4096"), "image_size"),
        Bad(("data", "prepare", "photos", "--image-size", "big"), "a whole number is needed"),
        Bad(("data", "prepare", "photos", "--image-size", ""), "a whole number is needed"),
        Bad(("data", "prepare", ""), "no folder's name"),
        Bad(("data", "prepare"), "Missing argument"),
        Bad(("data", "prepare", "photos", "photos"), "unexpected extra argument"),
        Bad(("data", "prepare", "photos", "--skip-brokn"), "--skip-broken"),
        Bad(
            ("data", "prepare", "photos"),
            "lies inside the data folder",
            environment={"ORCH_STORE": "photos/store"},
        ),
        Bad(
            ("data", "prepare", "photos"),
            "is not a folder",
            environment={"ORCH_STORE": "photos/a/1.png"},
        ),
        Bad(("data", "inspect"), "Missing argument"),
        Bad(("data",), "a command is missing"),
    ],
    ids=lambda row: " ".join(row.arguments),
)
def test_a_wrong_request_for_data_is_refused(row: Bad, desk: Desk) -> None:
    """Nothing is written for it."""
    desk.refuses(row)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
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
    assert decode(
        stored(Image.new("RGB", (20, 20), (200, 10, 10)), "JPEG", exif=exif), SIZE
    ).shape == (SIZE, SIZE, 3)


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


@pytest.mark.parametrize(("contents", "colour"), ODD_BUT_WHOLE.values(), ids=ODD_BUT_WHOLE)
def test_an_odd_but_whole_image_comes_out_right(
    contents: bytes, colour: tuple[int, int, int]
) -> None:
    """The colour in the middle is the one that was drawn."""
    found = decode(contents, SIZE)[SIZE // 2, SIZE // 2]

    assert np.abs(found.astype(int) - colour).max() <= 3


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PNG, JPEG, GIF, WEBP, TIFF, BMP]), st.data())
def test_an_image_with_turned_bytes_is_broken_or_has_the_right_shape(
    contents: bytes, data: st.DataObject
) -> None:
    """Whatever is turned or cut, `decode` ends well or with `Broken`."""
    for _ in range(data.draw(st.integers(1, 3))):
        contents = flipped(contents, data.draw(st.integers(0, len(contents) - 1)))
    contents = contents[: data.draw(st.integers(len(contents) // 2, len(contents)))]

    try:
        pixels = decode(contents, SIZE)
    except Broken:
        return

    assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff", PNG[:8], b"GIF89a", b"RIFF", b"II*\0", b"BM"]),
    st.binary(max_size=400),
)
def test_any_bytes_are_an_image_or_broken(start: bytes, rest: bytes) -> None:
    """Also behind the first bytes of a known kind."""
    try:
        pixels = decode(start + rest, SIZE)
    except Broken:
        return

    assert pixels.shape == (SIZE, SIZE, 3)
