"""Image files decoded by several processes, in order. Imports no torch."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from jobs.errors import OutOfMemory
from jobs.folder import Entry
from models.data.decode import Broken, Pixels, decode

CHUNK_FILES = 16


@dataclass(frozen=True, slots=True)
class Decoded:
    """One file's image, or the reason why there is none; `changed` when the file is no longer what was submitted."""

    entry: Entry
    pixels: Pixels | None
    pixels_sha256: str
    reason: str = ""
    changed: bool = False


def decode_all(folder: Path, entries: Sequence[Entry], size: int, processes: int) -> Iterator[Decoded]:
    """Every entry decoded, in the order given, by `processes` processes that die with this one."""
    chunks = [entries[start : start + CHUNK_FILES] for start in range(0, len(entries), CHUNK_FILES)]
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(processes, context, initializer=die_with_parent)
    pending: deque[Future[list[Decoded]]] = deque()
    try:
        for chunk in chunks:
            pending.append(pool.submit(_decode_chunk, folder, chunk, size))
            if len(pending) > 3 * processes:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool:
        raise OutOfMemory(
            f"a process that decoded images of {folder} died, most likely for want of memory. Free some and retry."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def die_with_parent() -> None:
    """Have this process end at once when the one that asked for it ends, however that came about."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _decode_chunk(folder: Path, entries: Sequence[Entry], size: int) -> list[Decoded]:
    return [_decode_one(folder, entry, size) for entry in entries]


def _decode_one(folder: Path, entry: Entry, size: int) -> Decoded:
    try:
        contents = (folder / entry.path).read_bytes()
    except OSError as error:
        return Decoded(entry, None, "", error.strerror or "cannot be read", changed=True)
    if hashlib.sha256(contents).hexdigest() != entry.sha256:
        return Decoded(entry, None, "", "its contents changed", changed=True)
    try:
        pixels = decode(contents, size)
    except Broken as error:
        return Decoded(entry, None, "", str(error))
    return Decoded(entry, pixels, hashlib.sha256(pixels.tobytes()).hexdigest())
