"""One `.npy` file of images, written by one or several processes, read as a memory map."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from models.data.decode import Pixels


class ArrayWriter:
    """Append images of (size, size, 3) to a new `.npy` file.

    `close` corrects the count in its header. Other processes may write images into their rows
    meanwhile (`Rows`); `close` is then given the rows to keep.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.count = 0
        self.handle: BinaryIO = path.open("w+b")
        self._header()
        self.handle.flush()
        self.start = self.handle.tell()

    @property
    def rows(self) -> Rows:
        """What another process needs to write into this file."""
        return Rows(self.path, self.start, self.size * self.size * 3)

    def append(self, pixels: Pixels) -> None:
        """Append one image."""
        self.handle.write(np.ascontiguousarray(pixels).data)
        self.count += 1

    def close(self, kept: Sequence[int] | None = None) -> None:
        """Finish the file and keep all appended images.

        Of images that were written into rows only those `kept` (ascending) remain, moved up.
        """
        if kept is not None:
            self.rows.move_up(kept)
            self.count = len(kept)
            self.handle.truncate(self.start + self.count * self.rows.row_bytes)
        self.handle.seek(0)
        self._header()
        if self.handle.tell() != self.start:
            raise AssertionError("the header of a .npy file changed its length")
        self.handle.close()

    def _header(self) -> None:
        shape = (self.count, self.size, self.size, 3)
        np.lib.format.write_array_header_1_0(
            self.handle, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of images in an existing array file.

    Written with `pwrite`, not through a memory map: a full disk is then an `OSError` instead of a
    crash.
    """

    path: Path
    start: int
    row_bytes: int

    @contextlib.contextmanager
    def putting(self) -> Iterator[Callable[[int, Pixels], None]]:
        """Yield a function that writes an image into its row.

        The end closes the file: a network file system may report a full disk only then.
        """
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            yield lambda row, pixels: _write_whole(descriptor, pixels.tobytes(), self._place(row))
        finally:
            os.close(descriptor)

    def move_up(self, kept: Sequence[int]) -> None:
        """Close the gaps: the rows `kept` (ascending) become the first ones, in order."""
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            for to, row in enumerate(kept):
                if to != row:
                    contents = os.pread(descriptor, self.row_bytes, self._place(row))
                    _write_whole(descriptor, contents, self._place(to))
        finally:
            os.close(descriptor)

    def _place(self, row: int) -> int:
        return self.start + row * self.row_bytes


def _write_whole(descriptor: int, contents: bytes, place: int) -> None:
    """Write all bytes: on a filling disk `pwrite` writes less, and the next call raises
    `OSError`.
    """
    written = 0
    while written < len(contents):
        written += os.pwrite(descriptor, memoryview(contents)[written:], place + written)


def read(path: Path) -> Pixels:
    """Images (n, size, size, 3) of a file as a memory map; raises `OSError` or `ValueError`."""
    pixels: Pixels = np.lib.format.open_memmap(path, mode="r")
    return pixels
