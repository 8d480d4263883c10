"""Weights files as torch writes them, small and written without torch."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.networks.state_file import MAGIC

from jobs.catalog import backbones

IMAGENET = 1000


def put_weights(path: Path, backbone: str = "") -> None:
    """Write a file that may pass for a backbone's ImageNet weights, called by the file's name
    unless named.
    """
    name = backbone or next(
        each.name for each in backbones.CATALOG.values() if each.weights_file == path.name
    )
    write_zip(path, pickled({"all": [backbones.find_backbone(name).parameters(IMAGENET)]}))


def write_zip(path: Path, header: bytes, numbers: bytes = bytes(4)) -> None:
    """The format since torch 1.6."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", header)
        archive.writestr("weights/data/0", numbers)


def write_old(path: Path, header: bytes, numbers: bytes = bytes(4)) -> None:
    """The old format."""
    begins = b"".join(pickle.dumps(each, 2) for each in (MAGIC, 1001, {"little_endian": True}))
    path.write_bytes(begins + header + pickle.dumps(["0"], 2) + struct.pack("<q", 1) + numbers)


def pickled(shapes: Mapping[str, Sequence[int]]) -> bytes:
    """A state dict's pickle; each tensor repeats the one number of the storage `0`."""
    parts = [b"\x80\x02}"]
    for name, sides in shapes.items():
        parts += [
            b"X"
            + struct.pack("<i", len(name))
            + name.encode()
            + b"ctorch._utils\n_rebuild_tensor_v2\n(",
            b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ",
            b"K\0(" + b"".join(b"J" + struct.pack("<i", side) for side in sides) + b"t(t\x89",
            b"ccollections\nOrderedDict\n)RtRs",
        ]
    return b"".join(parts) + b"."
