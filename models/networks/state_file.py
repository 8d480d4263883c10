"""Names and shapes in a weights file, read without torch and without running its code."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = 0x1950A86A20F9469CFC6C
"""First bytes of files of torch before 1.6; several of torchvision's are such."""
MAX_HEADER_BYTES = 1 << 26
BYTES = {
    "DoubleStorage": 8,
    "LongStorage": 8,
    "ComplexFloatStorage": 8,
    "FloatStorage": 4,
    "IntStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "ShortStorage": 2,
    "ByteStorage": 1,
    "CharStorage": 1,
    "BoolStorage": 1,
}
ROOM = 1.02
"""Maximum numbers in a file relative to parameters: buffers of batch norm come on top."""


class NotWeights(Exception):
    """The file cannot be a fitting state dict; the message says why."""


class _Unknown(Exception):
    """Something of torch that this reader does not know: no verdict."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """The shape of a tensor."""

    sides: tuple[int, ...]


class _Header(pickle.Unpickler):
    """Unpickler of names and shapes; calls only what builds those."""

    def __init__(self, source: io.BufferedIOBase | BinaryIO) -> None:
        super().__init__(source, encoding="utf-8")
        self.storages: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "OrderedDict": OrderedDict,
            "_rebuild_tensor_v2": _tensor,
            "_rebuild_parameter": _parameter,
        }
        if module in ("collections", "torch._utils") and name in known:
            return known[name]
        if module == "torch" and name in BYTES:
            return name
        if module.partition(".")[0] in ("torch", "collections"):
            raise _Unknown
        raise NotWeights(
            f"it names {module}.{name}"[:80] + ", which does not belong in a state dict"
        )

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, numbers = pid[:5]
        self.storages[str(key)] = BYTES[kind] * numbers
        return key


def problem(path: Path, parameters: int) -> str | None:
    """Why a file cannot be a state dict of a network of this many parameters; None if it may be.

    Names, shapes and lengths are checked in milliseconds, not the values. Whether the shapes are
    those of the network is checked when training begins.
    """
    try:
        found = _read(path)
        if not isinstance(found, dict) or not all(
            isinstance(each, _Shape) for each in found.values()
        ):
            return "it is not a plain state dict (names and tensors)"
        held = sum(math.prod(each.sides) for each in found.values())
        if not parameters <= held <= parameters * ROOM:
            return f"it has {held:,} numbers, but the network has {parameters:,} parameters"
    except _Unknown:
        return None
    except NotWeights as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    except Exception:  # an unpickler may raise anything
        return "it was not written by torch, or is incomplete"
    return None


def _read(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        return _read_old(path)
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        place = next((name for name in sizes if name.endswith("data.pkl")), None)
        if place is None or sizes[place] > MAX_HEADER_BYTES:
            raise NotWeights("it is an archive that torch did not write")
        header = _Header(io.BytesIO(archive.read(place)))
        found = header.load()
        folder = place.removesuffix("data.pkl") + "data/"
        if any(sizes.get(folder + key, -1) < length for key, length in header.storages.items()):
            raise NotWeights("it lacks some of its tensors")
    return found


def _read_old(path: Path) -> Any:
    """Read the old format: five pickles (magic, version, system, content, keys), then storages."""
    with path.open("rb") as file:
        begins: Sequence[Any] = [_Header(file).load() for _ in range(3)]
        if begins[0] != MAGIC:
            raise NotWeights("it was not written by torch, or is incomplete")
        header = _Header(file)
        found = header.load()
        keys = _Header(file).load()
        if path.stat().st_size < file.tell() + sum(header.storages.values()) + 8 * len(keys):
            raise NotWeights("its end is missing")
    return found


def _tensor(storage: Any, offset: int, sides: Sequence[int], *rest: Any) -> _Shape:
    return _Shape(tuple(map(int, sides)))


def _parameter(data: Any, *rest: Any) -> Any:
    return data
