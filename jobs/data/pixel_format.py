"""How an image file stores its values, from its header alone: needs no Pillow.

The name of a data set depends on it, so every machine must find the same.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

HEAD_BYTES = 64
MAX_PIXELS_OF_0_1_0 = 2 * 89_478_485
"""Version 0.1.0 called larger images broken."""
TEXT_BYTES_OF_0_1_0 = 2**20
"""Version 0.1.0 called a PNG with a longer text or colour profile broken."""
MAX_TAG_BYTES = 4096

Kind = Literal["unsigned", "signed", "float"]


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How a file stores its values, where 0.1.0 decoded them differently or could not read them.

    `bits` per sample; `bands` per pixel; `highest` declared value where the format has one.
    `exact`: all bits can be read, not only the upper 8. `white_is_zero`: small values are bright.
    `alpha_unknown`: a fourth band of unknown meaning. `premultiplied`: colours are multiplied by
    alpha. `newly_read`: 0.1.0 called the file broken. `hidden_step`: what one level of the grey
    that a PNG of 2 or 4 bits calls transparent is in 8 bits; 1 for other files.
    """

    format: str
    kind: Kind = "unsigned"
    bits: int = 8
    bands: int = 1
    highest: int | None = None
    exact: bool = True
    white_is_zero: bool = False
    alpha_unknown: bool = False
    premultiplied: bool = False
    newly_read: bool = False
    hidden_step: int = 1

    @property
    def beyond_8_bits(self) -> bool:
        """Whether a range of values is needed to show it in 8 bits."""
        return self.bits > 8 or self.kind != "unsigned"

    @property
    def differs(self) -> bool:
        """Whether version 0.1.0 made other pixels of it."""
        return self.beyond_8_bits or self.alpha_unknown or self.newly_read or self.hidden_step > 1

    @property
    def preparation(self) -> int:
        """The first preparation that makes these pixels of it; that of 0.1.0 is 1."""
        return 3 if self.hidden_step > 1 else 2

    @property
    def full_range(self) -> tuple[float, float]:
        """The lowest and highest value of the type; 0 to 1 for floats."""
        if self.kind == "float":
            return 0.0, 1.0
        if self.kind == "signed":
            return float(-(2 ** (self.bits - 1))), float(2 ** (self.bits - 1) - 1)
        return 0.0, float(self.highest if self.highest is not None else 2**self.bits - 1)

    @property
    def words(self) -> str:
        """Such as `16-bit unsigned integers`, `32-bit floats`."""
        kind = "floats" if self.kind == "float" else f"{self.kind} integers"
        return f"{self.bits}-bit {kind}"


def read(handle: BinaryIO) -> PixelFormat | None:
    """The format of an image file, or None if version 0.1.0 made the same pixels of it."""
    try:
        head = handle.read(HEAD_BYTES)
        pixels = _read(head, handle)
    except (struct.error, IndexError, ValueError, OverflowError):
        return None  # damaged: decoding says why
    return pixels if pixels is not None and pixels.differs else None


def _read(head: bytes, handle: BinaryIO) -> PixelFormat | None:
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(handle)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(head, handle)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(head, handle)
    if head[:1] == b"P" and head[1:2] in b"2356Ff":
        return _netpbm(head, handle)
    if head.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")):
        return _jpeg_2000(handle)
    if head.startswith(b"SIMPLE  ="):
        return _fits(handle)
    if head.startswith(b"\x01\xda") and head[3] == 2:
        bands = struct.unpack(">H", head[10:12])[0]
        return PixelFormat("SGI", bits=16, bands=bands, exact=False)
    if head.startswith(b"BM"):
        width, height = struct.unpack("<ii", head[18:26])
        return PixelFormat("BMP", newly_read=_large(width, abs(height)))
    if head.startswith(b"GIF8"):
        return PixelFormat("GIF", newly_read=_large(*struct.unpack("<HH", head[6:10])))
    return None


def _large(width: int, height: int) -> bool:
    return width * height > MAX_PIXELS_OF_0_1_0


def _jpeg(handle: BinaryIO) -> PixelFormat | None:
    """The size in the first frame header."""
    handle.seek(2)
    while len(start := handle.read(4)) == 4:
        marker, length = start[1], struct.unpack(">H", start[2:])[0]
        if start[0] != 0xFF or marker == 0xDA:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", handle.read(5))
            return PixelFormat("JPEG", newly_read=_large(width, height))
        handle.seek(length - 2, 1)
    return None


def _png(head: bytes, handle: BinaryIO) -> PixelFormat:
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    bands = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    newly = _large(width, height) or _long_text(handle)
    step = 255 // (2**bits - 1) if colour == 0 and bits in (2, 4) and _hides_a_grey(handle) else 1
    return PixelFormat("PNG", bits=max(bits, 8), bands=bands, newly_read=newly, hidden_step=step)


def _hides_a_grey(handle: BinaryIO) -> bool:
    """Whether a PNG calls one of its greys transparent."""
    handle.seek(8)
    while len(start := handle.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if name in (b"tRNS", b"IDAT"):
            return bool(name == b"tRNS")
        handle.seek(length + 4, 1)
    return False


def _long_text(handle: BinaryIO) -> bool:
    """Whether a PNG has a compressed text or profile too long for version 0.1.0."""
    handle.seek(8)
    while len(start := handle.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if name in (b"zTXt", b"iTXt", b"iCCP"):
            if _unpacks_long(name, handle.read(length)):
                return True
            handle.seek(4, 1)
        elif name == b"IEND":
            break
        else:
            handle.seek(length + 4, 1)
    return False


def _unpacks_long(name: bytes, chunk: bytes) -> bool:
    _, _, rest = chunk.partition(b"\0")
    if name == b"iTXt":
        compressed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        if not compressed:
            return False
    else:
        rest = rest[1:]
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(rest, TEXT_BYTES_OF_0_1_0)
    except zlib.error:
        return False
    return bool(unpacking.unconsumed_tail)


def _netpbm(head: bytes, handle: BinaryIO) -> PixelFormat | None:
    """PGM, PPM and PFM; the header may hold comments."""
    handle.seek(2)
    if head[1:2] in b"Ff":
        return PixelFormat("PFM", "float", 32, 3 if head[1:2] == b"F" else 1)
    words: list[bytes] = []
    while len(words) < 3 and (line := handle.readline(MAX_TAG_BYTES)):
        words += line.partition(b"#")[0].split()
    highest = int(words[2])
    colour = head[1:2] in b"36"
    name = "PPM" if colour else "PGM"
    if highest < 256:
        return None
    bits, bands = highest.bit_length(), 3 if colour else 1
    return PixelFormat(name, bits=bits, bands=bands, highest=highest, exact=not colour)


def _jpeg_2000(handle: BinaryIO) -> PixelFormat | None:
    """The size marker of the first code stream."""
    handle.seek(0)
    start = handle.read(65536)
    at = start.find(b"\xff\x4f\xff\x51")
    bands = struct.unpack(">H", start[at + 40 : at + 42])[0]
    depth = start[at + 42]
    bits = (depth & 0x7F) + 1
    if at < 0 or bits <= 8:
        return None
    kind: Kind = "signed" if depth & 0x80 else "unsigned"
    return PixelFormat("JPEG 2000", kind, bits, bands, exact=bands == 1)


def _fits(handle: BinaryIO) -> PixelFormat | None:
    handle.seek(0)
    cards = handle.read(2880)
    for at in range(0, len(cards), 80):
        if cards[at : at + 8] == b"BITPIX  ":
            bits = int(cards[at + 10 : at + 80].partition(b"/")[0])
            if bits == 8:
                return None
            return PixelFormat("FITS", "float" if bits < 0 else "signed", abs(bits))
    return None


WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLES, PLANAR, EXTRA, SAMPLE_FORMAT = (
    256, 257, 258, 262, 277, 284, 338, 339,
)  # fmt: skip
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
PREMULTIPLIED, SEPARATE_PLANES = 1, 2
_SIZES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}


def _tiff(head: bytes, handle: BinaryIO) -> PixelFormat:
    """The tags of the first image."""
    tags = tiff_tags(handle, head)
    bits, bands = max(tags.get(BITS, (1,))), tags.get(SAMPLES, (1,))[0]
    code = max(tags.get(SAMPLE_FORMAT, (1,)))
    kind: Kind = "float" if code == 3 else "signed" if code == 2 else "unsigned"
    meaning = tags.get(PHOTOMETRIC, (MIN_IS_BLACK,))[0]
    extra = tags.get(EXTRA, ())
    together = bands == 1 or tags.get(PLANAR, (1,))[0] != SEPARATE_PLANES
    return PixelFormat(
        "TIFF",
        kind,
        max(bits, 8),
        bands,
        exact=together and meaning in (MIN_IS_WHITE, MIN_IS_BLACK, RGB),
        white_is_zero=meaning == MIN_IS_WHITE,
        alpha_unknown=meaning == RGB and bands > 3 and not extra,
        premultiplied=extra[:1] == (PREMULTIPLIED,),
        newly_read=_large(tags.get(WIDTH, (0,))[0], tags.get(HEIGHT, (0,))[0]),
    )


def tiff_tags(handle: BinaryIO, head: bytes) -> dict[int, tuple[int, ...]]:
    """Whole numbers of a TIFF's first directory by tag. Raises `struct.error` if it is damaged."""
    order, big = "<" if head[:2] == b"II" else ">", head[2:4] in (b"+\0", b"\0+")
    handle.seek(8 if big else 4)
    offset, count, entry = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
    handle.seek(_unpack(order + offset, handle)[0])
    entries = [_unpack(order + entry, handle) for _ in range(_unpack(order + count, handle)[0])]
    tags = {}
    for tag, kind, number, place in entries:
        size = struct.calcsize(_SIZES.get(kind, "Q")) * number
        if kind not in _SIZES or not 0 < size <= MAX_TAG_BYTES:
            continue
        contents = place
        if size > len(place):
            handle.seek(struct.unpack(order + offset, place)[0])
            contents = handle.read(size)
        tags[tag] = struct.unpack(f"{order}{number}{_SIZES[kind]}", contents[:size])
    return tags


def _unpack(layout: str, handle: BinaryIO) -> tuple[Any, ...]:
    return struct.unpack(layout, handle.read(struct.calcsize(layout)))
