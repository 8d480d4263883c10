"""Files that hold no whole image: each is left out by name with its reason."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.image_bytes import (
    BMP,
    EPS,
    GIF,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    flipped,
    png,
    zipped,
)

from jobs.data import image_folder
from jobs.errors import BadImages
from jobs.spec.model import DataSettings
from models.data.decode import Broken, decode
from models.data.prepare_data_set import prepare_folder
from orchestrator.datasets import look

SIZE = 16

OF_OTHER_KINDS: dict[str, bytes] = {
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
}
PROGRAMS: dict[str, bytes] = {
    "a program of PostScript": EPS,
    "PostScript alone": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(owned) print\n",
}
BOMBS: dict[str, bytes] = {
    "a bomb of 400 megapixels": png(20_000, 20_000, bytes(100)),
    "a bomb of the largest size": png(2**31 - 1, 2**31 - 1, bytes(100)),
    "a wide bomb": png(2**31 - 1, 1, bytes(100)),
    "a GIF bomb": b"GIF89a\xff\xff\xff\xff\x80\0\0"
    + bytes(6)
    + b",\0\0\0\0\xff\xff\xff\xff\0\2\0;",
    "a BMP bomb": BMP[:18] + struct.pack("<ii", 2**30, 2**30) + BMP[26:],
}
DAMAGED: dict[str, bytes] = {
    "a PNG without data": png(20, 20),
    "a PNG with too little data": png(20, 20, bytes(30)),
    "a PNG of no width": png(0, 20),
    "a PNG of no height": png(20, 0),
    "a PNG of a depth that is not": png(20, 20, bytes(2000), depth=7),
    "a PNG of a colour that is not": png(20, 20, bytes(2000), colour=5),
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
NAMED = {
    "nothing": "an empty file",
    "a page": "a web page is not read here",
    "SVG": "SVG, a drawing, is not read here: convert it",
    "SVG with entities": "SVG, a drawing, is not read here: convert it",
    "PDF": "a PDF document is not read here: convert it",
    "HEIC": "HEIC, a photograph of a phone, is not read here: convert it",
    "a film": "a video (MP4 or QuickTime) is not read here",
    "zip": "a ZIP archive is not read here: unpack it",
    "gzip": "a gzip archive is not read here: unpack it",
    "an array": "a NumPy array is not read here",
    "a pointer of Git LFS": "a Git LFS pointer is not read here: fetch the file",
}
"""Kinds that are named as what they are."""
TABLES = {
    "not an image": {n: contents for n, contents in OF_OTHER_KINDS.items() if n not in NAMED},
    **{words: {name: OF_OTHER_KINDS[name]} for name, words in NAMED.items() if name != "SVG"},
    "SVG, a drawing": {"SVG": OF_OTHER_KINDS["SVG"]},
    "EPS is a program that draws, not an image": PROGRAMS,
    "could be decompression bomb": BOMBS,
    "": DAMAGED,  # in Pillow's words, which change
}
NO_IMAGES = {
    name: (contents, words) for words, table in TABLES.items() for name, contents in table.items()
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("contents", "words"), NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_no_whole_image_is_broken_with_a_reason(
    contents: bytes, words: str, tmp_path: Path
) -> None:
    """Preparing and inspecting agree, the reason fits in a line, and nothing takes long or much
    memory.
    """
    (tmp_path / "image.jpg").write_bytes(contents)
    started = time.monotonic()

    with pytest.raises(Broken) as caught:
        decode(contents, SIZE)
    seen = look.look(tmp_path / "image.jpg")

    assert words in str(caught.value)
    assert 0 < len(str(caught.value)) <= 120
    assert "\n" not in str(caught.value)
    assert seen.fault
    assert seen.kind == ""
    assert time.monotonic() - started < 5


def test_a_folder_of_all_of_them_names_each(two_classes: Path, tmp_path: Path) -> None:
    """Twenty are named, the others counted, and with `skip_broken` the whole ones are prepared."""
    for number, (contents, _) in enumerate(NO_IMAGES.values()):
        (two_classes / "a" / f"x{number:03d}.jpg").write_bytes(contents)
    source = image_folder.read_folder(two_classes)
    strict, lenient = (DataSettings(image_size=SIZE, skip_broken=skip) for skip in (False, True))

    with pytest.raises(
        BadImages, match=rf"{len(NO_IMAGES)} file\(s\).*a/x000.jpg \(.* and \d+ more"
    ):
        prepare_folder(source, strict, tmp_path / "w1", processes=1)
    facts = prepare_folder(source, lenient, tmp_path / "w2", processes=1)

    assert facts["images"] == 6
    assert len(facts["skipped"]) == len(NO_IMAGES)


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
