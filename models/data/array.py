"""One `.npy` file of images, written from front to back and read through a memory map."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from models.data.decode import Pixels


class ArrayWriter:
    """Appends images of (size, size, 3) to a `.npy` file; the count in its header is put right by `close`."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self.count = 0
        self.handle: BinaryIO = path.open("wb")
        self._header()
        self.start = self.handle.tell()

    def append(self, pixels: Pixels) -> None:
        """Write one image at the end."""
        self.handle.write(np.ascontiguousarray(pixels).tobytes())
        self.count += 1

    def close(self) -> None:
        """Write the final count into the header (it has room for any) and close the file."""
        self.handle.seek(0)
        self._header()
        if self.handle.tell() != self.start:
            raise AssertionError("the header of a .npy file changed its length")
        self.handle.close()

    def _header(self) -> None:
        shape = (self.count, self.size, self.size, 3)
        np.lib.format.write_array_header_1_0(self.handle, {"descr": "|u1", "fortran_order": False, "shape": shape})


def read(path: Path) -> Pixels:
    """The images (n, size, size, 3) of a file, as a memory map; raises `OSError` or `ValueError` for a broken file."""
    found: Pixels = np.lib.format.open_memmap(path, mode="r")
    return found
