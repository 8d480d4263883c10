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
from typing import TYPE_CHECKING

from jobs.errors import OutOfMemory
from models.data.array import Rows
from models.data.decode import Broken, Pixels, decode

if TYPE_CHECKING:
    from jobs.data.image_folder import ImageFile

CHUNK_FILES = 32
LARGE_BYTES = 31 * 2**20  # the largest that glibc learns from is 32 MiB


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result for one file: checksum of its pixels, or the reason why there are none.

    `changed` when the file is no longer what was submitted.
    """

    pixels_sha256: str
    reason: str = ""
    changed: bool = False


def decode_all(
    folder: Path, entries: Sequence[ImageFile], size: int, rows: Rows, processes: int
) -> Iterator[tuple[ImageFile, Decoded]]:
    """Decode every entry into the row of its position in `entries`.

    The `processes` processes end with this one. Results come in the given order. Raises errors of
    writing, and `OutOfMemory`.
    """
    chunk_files = max(1, min(CHUNK_FILES, len(entries) // (4 * processes)))
    starts = range(0, len(entries), chunk_files)
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(processes, context, initializer=_begin)
    try:
        files = [(entry.path, entry.sha256) for entry in entries]
        chunks = [
            pool.submit(
                _decode_chunk, folder, files[start : start + chunk_files], size, rows, start
            )
            for start in starts
        ]
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
    folder: Path, files: Sequence[tuple[str, str]], size: int, rows: Rows, start: int
) -> list[Decoded]:
    """Decode files (path and checksum) into consecutive rows from `start` on."""
    with rows.putting() as put:
        return [
            _decode_one(folder / path, sha256, size, functools.partial(put, row))
            for row, (path, sha256) in enumerate(files, start)
        ]


def _decode_one(path: Path, sha256: str, size: int, put: Callable[[Pixels], None]) -> Decoded:
    try:
        contents = path.read_bytes()
    except OSError as error:
        return Decoded("", error.strerror or "cannot be read", changed=True)
    if hashlib.sha256(contents).hexdigest() != sha256:
        return Decoded("", "its contents changed", changed=True)
    try:
        pixels = decode(contents, size)
    except Broken as error:
        return Decoded("", str(error))
    put(pixels)
    return Decoded(hashlib.sha256(pixels.data).hexdigest())
