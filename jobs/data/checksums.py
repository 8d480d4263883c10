"""Checksums and pixel formats of all files of a source, computed in threads."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from jobs.data import pixel_format
from jobs.data.data_source import DataSource, ImageFile
from jobs.data.pixel_format import PixelFormat
from jobs.errors import BadFolder

Tell = Callable[[int, int], None]
CHUNK_FILES = 32
AT_ONCE_BYTES = 2**20


def add(listed: DataSource, tell: Tell = lambda done, total: None) -> DataSource:
    """The same source with the SHA-256 of every file; `tell(done, total)` counts files.

    Raises `BadFolder` for a file that cannot be read.
    """
    folder, total = Path(listed.origin), len(listed.entries)
    chunks = [listed.entries[start : start + CHUNK_FILES] for start in range(0, total, CHUNK_FILES)]
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
        entries: list[ImageFile] = []
        formats: dict[str, PixelFormat] = {}
        for chunk in pool.map(
            lambda chunk: [_with_digest(folder, entry) for entry in chunk], chunks
        ):
            for entry, pixels in chunk:
                entries.append(entry)
                if pixels is not None:
                    formats[entry.path] = pixels
                tell(len(entries), total)
    preparation = max((pixels.preparation for pixels in formats.values()), default=1)
    return replace(listed, entries=tuple(entries), preparation=preparation, formats=formats)


def _with_digest(folder: Path, entry: ImageFile) -> tuple[ImageFile, PixelFormat | None]:
    try:
        with open(f"{folder}/{entry.path}", "rb", buffering=0) as handle:
            if entry.bytes < AT_ONCE_BYTES:
                contents = handle.readall()
                digest, pixels = hashlib.sha256(contents), pixel_format.read(io.BytesIO(contents))
            else:
                digest = hashlib.file_digest(handle, "sha256")
                handle.seek(0)
                pixels = pixel_format.read(io.BufferedReader(handle))
            return replace(entry, sha256=digest.hexdigest()), pixels
    except OSError as error:
        raise BadFolder(f"cannot read {folder / entry.path}: {error.strerror}.") from None
