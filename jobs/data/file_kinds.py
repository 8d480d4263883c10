"""Say what a file is that orch cannot read as an image (PDF, video), from its first bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from jobs.data import pixel_format

HEAD_BYTES = 4096
CONVERT = "convert it to PNG or JPEG"
NEW_SUBFILE_TYPE, SUB_DIRECTORIES, DNG_VERSION = 254, 330, 50706

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")
"""Starts of images that are read; what else their bytes may look like does not matter."""
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")
_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", CONVERT),
    (b"\xff\x0a", "JPEG XL", CONVERT),
    (b"\0\0\0\x0cJXL ", "JPEG XL", CONVERT),
    (b"FUJIFILMCCD-RAW", "a camera's raw file", CONVERT),
    (b"IIRO", "a camera's raw file", CONVERT),
    (b"IIRS", "a camera's raw file", CONVERT),
    (b"IIU\0", "a camera's raw file", CONVERT),
    (b"v/1\x01", "OpenEXR", "convert it to TIFF or PNG"),
    (b"#?RADIANCE", "Radiance HDR", "convert it to TIFF or PNG"),
    (b"gimp xcf", "a GIMP drawing", CONVERT),
    (b"\x93NUMPY", "a NumPy array", "save it as PNG or TIFF"),
    (b"\x89HDF\r\n", "an HDF5 file", "save its images as PNG or TIFF"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)", "save frames of it as images"),
    (b"\0\0\x01\xba", "a video (MPEG)", "save frames of it as images"),
    (b"\0\0\x01\xb3", "a video (MPEG)", "save frames of it as images"),
    (b"FLV\x01", "a video (Flash)", "save frames of it as images"),
    (b"\x30\x26\xb2\x75", "a video (Windows Media)", "save frames of it as images"),
    (b"OggS", "a video or sound (Ogg)", "save frames of it as images"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file with git lfs pull"),
)


def name_foreign(head: bytes) -> str | None:
    """What a file is and what to do with it, if it is known and not read; else None."""
    if head.startswith(_TIFF) and _is_raw_in_tiff(head):
        return f"a camera's raw file is not read here: {CONVERT}"
    if head.startswith((*_IMAGES, *_TIFF)) or head[8:12] == b"WEBP":
        return None
    for looks, name, advice in _BY_LOOKS:
        if looks(head):
            return f"{name} is not read here: {advice}"
    for start, name, advice in _STARTS:
        if head.startswith(start):
            return f"{name} is not read here: {advice}"
    return None


def _brands(head: bytes) -> list[bytes]:
    """Brands of an ISO media file: that of the file, and those it is compatible with."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4], "big"), 256)
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]


def _is_heic(head: bytes) -> bool:
    return any(brand in _HEIC for brand in _brands(head))


def _is_avif(head: bytes) -> bool:
    return any(brand in (b"avif", b"avis") for brand in _brands(head))


def _is_raw(head: bytes) -> bool:
    return _brands(head)[:1] == [b"crx "]


def _is_raw_in_tiff(head: bytes) -> bool:
    """CR2, DNG, NEF, ARW and the like: what Pillow would read is a preview of 160 pixels."""
    if head[8:10] == b"CR":
        return True
    try:
        tags = pixel_format.tiff_tags(io.BytesIO(head), head)
    except (struct.error, OverflowError, ValueError):
        return False
    preview = tags.get(NEW_SUBFILE_TYPE, (0,))[0] & 1
    return DNG_VERSION in tags or bool(preview and SUB_DIRECTORIES in tags)


def _is_video(head: bytes) -> bool:
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return True
    return bool(_brands(head)) and not _is_avif(head) and _brands(head)[0] not in (b"mif1", b"msf1")


def _is_avi(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def _is_mpeg_stream(head: bytes) -> bool:
    return len(head) > 752 and all(head[at] == 0x47 for at in range(0, 753, 188))


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0")


def _text(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()


def _is_svg(head: bytes) -> bool:
    return _text(head).startswith((b"<?xml", b"<svg", b"<!doctype svg", b"<!--")) and (
        b"<svg" in head.lower()
    )


def _is_web_page(head: bytes) -> bool:
    return _text(head).startswith((b"<!doctype html", b"<html"))


_BY_LOOKS: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (_is_heic, "HEIC, a photograph of a phone,", "convert it to JPEG"),
    (_is_raw, "a camera's raw file", CONVERT),
    (_is_video, "a video (MP4 or QuickTime)", "save frames of it as images"),
    (_is_avi, "a video (AVI)", "save frames of it as images"),
    (_is_mpeg_stream, "a video (MPEG)", "save frames of it as images"),
    (_is_dicom, "DICOM, a medical image,", "convert it to PNG or TIFF"),
    (_is_nifti, "NIfTI, a medical volume,", "save its slices as PNG or TIFF"),
    (_is_svg, "SVG, a drawing,", "convert it to PNG"),
    (_is_web_page, "a web page", "download the image itself"),
)
