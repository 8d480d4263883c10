"""Files that are no images are named as what they are; unusual images are images."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from PIL import Image, PngImagePlugin, TiffImagePlugin

from jobs import file_names
from jobs.data import file_kinds, image_folder, pixel_format
from jobs.data.value_range import UNKNOWN
from jobs.spec.model import DataSettings
from models.data.decode import Broken, decode
from models.data.image_file import read
from orchestrator import cli
from orchestrator.datasets.look import look

SIZE = 16


def stored(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    """The image as a file's bytes."""
    handle = io.BytesIO()
    image.save(handle, kind, **how)
    return handle.getvalue()


def box(*brands: bytes) -> bytes:
    """The start of an ISO media file."""
    inside = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return struct.pack(">I", len(inside) + 4) + inside + b"\0\0\0\x08mdat" + bytes(64)


def raw(**tags: int) -> bytes:
    """A TIFF of a small preview, with further tags as cameras write them."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        number = int(tag.removeprefix("tag"))
        info[number] = bytes([1, 4, 0, 0]) if number == file_kinds.DNG_VERSION else value
        info.tagtype[number] = 1 if number == file_kinds.DNG_VERSION else 4
    return stored(Image.new("RGB", (16, 12)), "TIFF", tiffinfo=info)


FOREIGN: list[tuple[str, bytes, str]] = [
    ("HEIC", box(b"heic", b"mif1"), "HEIC"),
    ("HEIF of another main brand", box(b"mif1", b"mif1", b"heic"), "HEIC"),
    ("DICOM", bytes(128) + b"DICM" + bytes(64), "DICOM"),
    ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ("SVG with a prolog", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "SVG"),
    ("PDF", b"%PDF-1.7\n", "PDF"),
    ("MP4", box(b"isom", b"mp42"), "video"),
    ("QuickTime", box(b"qt  "), "video"),
    ("QuickTime without a brand", b"\0\0\0\x08wide" + bytes(64), "video"),
    ("AVI", b"RIFF\0\0\0\0AVI LIST", "video"),
    ("WebM", b"\x1a\x45\xdf\xa3" + bytes(64), "video"),
    ("MPEG", b"\0\0\x01\xba" + bytes(64), "video"),
    ("CR3", box(b"crx "), "raw"),
    ("CR2", b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "raw"),
    ("DNG", raw(tag50706=1), "raw"),
    ("NEF", raw(tag254=1, tag330=8), "raw"),
    ("JPEG XL", b"\xff\x0a" + bytes(64), "JPEG XL"),
    ("a web page", b"\n<!DOCTYPE html><html>", "web page"),
    ("Git LFS", b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
    ("nothing", b"", "empty"),
]


@pytest.mark.parametrize(
    ("contents", "word"), [row[1:] for row in FOREIGN], ids=[row[0] for row in FOREIGN]
)
def test_a_foreign_file_is_named_by_preparing_and_by_inspecting(
    contents: bytes, word: str, tmp_path: Path
) -> None:
    """Whatever its name says."""
    (tmp_path / "a.jpg").write_bytes(contents)

    with pytest.raises(Broken, match=word):
        decode(read(tmp_path / "a.jpg"), SIZE)
    assert word in look(tmp_path / "a.jpg").fault


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM"])
def test_an_image_is_not_taken_for_something_else(kind: str) -> None:
    """Every format that is read."""
    try:
        contents = stored(Image.new("RGB", (20, 20), "red"), kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {kind}")

    assert decode(contents, SIZE)[0, 0, 0] > 240


def long_text(where: str) -> bytes:
    """A PNG with a text or profile of several megabytes."""
    image, extra = Image.linear_gradient("L"), PngImagePlugin.PngInfo()
    if where == "profile":
        return stored(image, icc_profile=bytes(3_000_000))
    if where == "iTXt":
        extra.add_itxt("notes", "x" * 3_000_000, zip=True)
    elif where == "tEXt":
        extra.add_text("notes", "x" * 90_000_000)
    else:
        extra.add_text("notes", "x" * 3_000_000, zip=True)
    contents = stored(image, pnginfo=extra)
    if where == "at the end":
        start = contents.index(b"zTXt") - 4
        length = struct.unpack(">I", contents[start : start + 4])[0] + 12
        text = contents[start : start + length]
        rest = contents[:start] + contents[start + length :]
        return rest[:-12] + text + rest[-12:]
    return contents


@pytest.mark.parametrize("where", ["zTXt", "iTXt", "tEXt", "profile", "at the end"])
def test_a_png_with_a_long_text_is_an_image(where: str, tmp_path: Path) -> None:
    """The same pixels as without it; version 0.1.0 called it broken, so its set has a new name."""
    plain = stored(Image.linear_gradient("L"))
    contents = long_text(where)

    assert (decode(contents, SIZE) == decode(plain, SIZE)).all()
    assert (decode(contents, SIZE, UNKNOWN) == decode(plain, SIZE)).all()
    (tmp_path / "a.png").write_bytes(contents)
    assert look(tmp_path / "a.png").fault == ""
    if where != "tEXt":
        assert pixel_format.read(io.BytesIO(contents)) is not None
    assert pixel_format.read(io.BytesIO(plain)) is None


def test_a_text_that_swells_takes_no_memory_and_is_left_out() -> None:
    """99 megabytes of it, unpacked by nobody."""
    plain = stored(Image.linear_gradient("L"))
    data = b"k\0\0" + zlib.compress(bytes(99_000_000))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))

    assert (decode(plain[:33] + chunk + plain[33:], SIZE) == decode(plain, SIZE)).all()


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_photograph_of_180_megapixels_is_an_image(tmp_path: Path) -> None:
    """15,500 x 11,700 pixels; it was called a decompression bomb."""
    photograph = stored(Image.linear_gradient("L").resize((15_500, 11_700)), "JPEG")
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.jpg").write_bytes(photograph)

    pixels = decode(photograph, SIZE)

    assert pixels[0, 0, 0] < 30
    assert pixels[-1, 0, 0] > 225
    assert image_folder.read_folder(tmp_path).preparation == 2
    assert look(tmp_path / "a" / "1.jpg", quick=True).fault == ""


def test_newly_read_files_give_a_set_another_name(tmp_path: Path) -> None:
    """With `skip_broken`, version 0.1.0 left them out: the array is another."""
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(stored(Image.new("L", (9, 9), len(label))))
    before = image_folder.read_folder(tmp_path)
    (tmp_path / "a" / "1.png").write_bytes(long_text("zTXt"))
    after = image_folder.read_folder(tmp_path)

    assert (before.preparation, after.preparation) == (1, 2)
    assert before.fingerprint(DataSettings()) != after.fingerprint(DataSettings())


def test_a_misread_name_is_the_fault_of_the_locale() -> None:
    """A name that is UTF-8 on disk is not blamed; one that is not UTF-8 is."""
    assert file_names.fault("K\u00e4se/1.png") is None
    assert "Rename it" in (file_names.fault("\udcff.png") or "")
    misread = "K\u00e4se".encode().decode("ascii", "surrogateescape")
    if misread != "K\u00e4se":
        assert file_names.fault(misread) is not None


def test_a_folder_with_foreign_files_is_inspected_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is named with what it is."""
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(stored(Image.linear_gradient("L")))
    assert cli.run(["data", "inspect", str(tmp_path)]) == 0
    (tmp_path / "a" / "clip.mp4").write_bytes(FOREIGN[6][1])
    capsys.readouterr()

    code = cli.run(["data", "inspect", str(tmp_path)])

    assert code == 1
    assert "a/clip.mp4: a video" in capsys.readouterr().out
