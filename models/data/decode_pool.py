"""Decode image files in several processes, each of which writes into the array.

Every process imports this module at its start: no torch, nothing slow.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobs.atomic import file_digest
from jobs.data import pixel_format
from jobs.data.pixel_format import PixelFormat
from jobs.data.value_range import GUESSED, ValueRange
from jobs.errors import OutOfMemory
from models.data import values
from models.data.array import Rows
from models.data.decode import Broken, Pixels, decode_each
from models.data.image_file import read
from models.data.resize import Squaring

if TYPE_CHECKING:
    from jobs.data.data_source import ImageFile

CHUNK_FILES = 32
Span = tuple[PixelFormat, float, float]
Hows = tuple[int | Squaring, Squaring | None]
T = TypeVar("T")
LARGE_BYTES = 31 * 2**20  # the largest that glibc learns from is 32 MiB


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result for one file: checksum of its pixels, or the reason why there are none.

    `changed` when the file is no longer what was submitted. `levels` between the darkest and the
    brightest value of a channel, 0 to 255.
    """

    pixels_sha256: str
    reason: str = ""
    changed: bool = False
    levels: int = 0


def decode_all(
    folder: Path,
    entries: Sequence[ImageFile],
    how: int | Squaring,
    rows: Rows,
    processes: int,
    chosen: ValueRange = GUESSED,
    compared: Squaring | None = None,
) -> Iterator[tuple[ImageFile, Decoded]]:
    """Decode every entry into the row of its position in `entries`.

    Checksums are those of its pixels, or of those that the squaring `compared` gives.
    `chosen` says how values beyond 8 bits are shown. The `processes` processes end with this one.
    Results come in the given order. Raises errors of writing, and `OutOfMemory`.
    """
    work = functools.partial(_decode_chunk, folder, (how, compared), rows, chosen)
    return _in_chunks(folder, entries, processes, work)


def spans_of_all(
    folder: Path, entries: Sequence[ImageFile], processes: int
) -> Iterator[tuple[ImageFile, Span | None]]:
    """The format and the lowest and highest value of each file beyond 8 bits, like `decode_all`.

    None for files of 8 bits, and for broken ones.
    """
    return _in_chunks(folder, entries, processes, functools.partial(_span_chunk, folder))


def _in_chunks(
    folder: Path,
    entries: Sequence[ImageFile],
    processes: int,
    work: Callable[[Sequence[tuple[str, str]], int], list[T]],
) -> Iterator[tuple[ImageFile, T]]:
    """Results of `work(files, start)` on chunks of entries in several processes, in order."""
    chunk_files = max(1, min(CHUNK_FILES, len(entries) // (4 * processes)))
    starts = range(0, len(entries), chunk_files)
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(processes, context, initializer=_begin)
    try:
        files = [(entry.path, entry.sha256) for entry in entries]
        chunks = [pool.submit(work, files[start : start + chunk_files], start) for start in starts]
        for start, chunk in zip(starts, chunks, strict=True):
            yield from zip(entries[start : start + chunk_files], chunk.result(), strict=True)
    except BrokenProcessPool:
        raise OutOfMemory(
            f"a process that decoded images of {folder} died, probably because memory ran out. "
            f"Free some memory and retry."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    die_with_parent()
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Make glibc keep freed memory, as it does after it has seen one large block freed.

    Otherwise every image's memory is returned and fetched again, page by page: a third of the time.
    """
    bytearray(LARGE_BYTES)


def die_with_parent() -> None:
    """Make this process end immediately when its parent ends, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _decode_chunk(
    folder: Path,
    hows: Hows,
    rows: Rows,
    chosen: ValueRange,
    files: Sequence[tuple[str, str]],
    start: int,
) -> list[Decoded]:
    """Decode files (path and checksum) into consecutive rows from `start` on."""
    with rows.putting() as put:
        return [
            _decode_one(folder / path, sha256, hows, chosen, functools.partial(put, row))
            for row, (path, sha256) in enumerate(files, start)
        ]


def _decode_one(
    path: Path, sha256: str, hows: Hows, chosen: ValueRange, put: Callable[[Pixels], None]
) -> Decoded:
    foreign = ""
    try:
        contents = read(path)
        digest = hashlib.sha256(contents).hexdigest()
    except Broken as error:
        foreign, digest = str(error), file_digest(path)
    except OSError as error:
        return Decoded("", error.strerror or "cannot be read", changed=True)
    if digest != sha256:
        return Decoded("", "its contents changed", changed=True)
    if foreign:
        return Decoded("", foreign)
    try:
        pixels, *others = decode_each(contents, [how for how in hows if how is not None], chosen)
    except Broken as error:
        return Decoded("", str(error))
    put(pixels)
    levels = int((pixels.max(0).max(0) - pixels.min(0).min(0)).max())
    return Decoded(hashlib.sha256((others or [pixels])[0].data).hexdigest(), levels=levels)


def _span_chunk(folder: Path, files: Sequence[tuple[str, str]], start: int) -> list[Span | None]:
    return [_span(folder / path) for path, _ in files]


def _span(path: Path) -> Span | None:
    try:
        with path.open("rb") as handle:
            pixels = pixel_format.read(handle)
        if pixels is None or not pixels.beyond_8_bits:
            return None
        span = values.read(read(path), pixels).span()
    except (OSError, Broken):
        return None  # decoding says why
    return None if span is None else (pixels, *span)
