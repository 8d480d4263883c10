"""Checkpoints of a trial: written atomically, found again, and removed when no longer needed.

e0003-<attempt>.pt           the trial after 3 epochs
e0003-s000120-<attempt>.pt   after 3 epochs and 120 steps of the fourth
the same name with .json     its checksum; written last: a checkpoint without it does not count
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import re
import stat
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from jobs import atomic
from jobs.errors import BadCheckpoint, DamagedFile
from jobs.store import codec
from jobs.store.records import CheckpointRecord
from models.runtime.out_of_memory import out_of_memory

log = logging.getLogger(__name__)
NAME = re.compile(r"e([0-9]{4,})(?:-s([0-9]{6,}))?-([A-Za-z0-9_-]+)")
KEPT = 2
ORPHAN_S = 3600.0
PIECE_BYTES = 4 * 2**20
NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
ENVIRONMENT = (ImportError, NameError, OSError, SystemError)
"""What a broken installation or machine raises, whatever a file holds; so does out of memory."""


@dataclass(frozen=True, slots=True)
class CheckpointContents:
    """A trial after `epoch` epochs and `step` steps of the next; `running` holds its sums.

    `network` is the one that is tested. `beside` holds the one that is trained, if it is another,
    and its average.
    """

    trial: str
    epoch: int
    step: int
    running: dict[str, Any]
    rows: list[dict[str, Any]]
    network: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)

    def parts(self) -> dict[str, Any]:
        """The fields by name, without copies; without `beside` where that is empty."""
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: part for name, part in parts.items() if name != "beside" or part}


@dataclass(frozen=True, slots=True, order=True)
class CheckpointFile:
    """A checkpoint file, described by its name."""

    epoch: int
    step: int
    path: Path

    @property
    def sidecar(self) -> Path:
        """The file that holds its checksum."""
        return self.path.with_suffix(".json")


class Summing:
    """Computes the SHA-256 of what is written through it; torch writes sequentially."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle, self.digest = handle, hashlib.sha256()

    def write(self, given: bytes | memoryview) -> int:
        """Write in pieces that are still in the processor cache after hashing."""
        with memoryview(given) as view:
            for start in range(0, len(view), PIECE_BYTES):
                piece = view[start : start + PIECE_BYTES]
                self.digest.update(piece)
                self.handle.write(piece)
            return len(view)

    def flush(self) -> None:
        """Flush to the operating system."""
        self.handle.flush()


def write(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
    """Write a checkpoint into a trial folder, checksum last; returns its path."""
    middle = f"-s{contents.step:06d}" if contents.step else ""
    path = folder / f"e{contents.epoch:04d}{middle}-{re.sub('[^A-Za-z0-9_]', '-', attempt)}.pt"
    path.with_suffix(".json").unlink(missing_ok=True)
    # Our own file handle: torch's writer would not report a full disk.
    with atomic.atomic_write(path) as draft, draft.open("wb") as handle:
        summing = Summing(handle)
        torch.save(contents.parts(), cast(IO[bytes], summing))
    record = CheckpointRecord(
        sha256=summing.digest.hexdigest(),
        bytes=path.stat().st_size,
        epoch=contents.epoch,
        step=contents.step,
        attempt=attempt,
    )
    atomic.write_json(path.with_suffix(".json"), codec.encode(record))
    return path


def restore(folder: Path, trial: str, max_epochs: int) -> tuple[CheckpointContents, Path] | None:
    """The newest whole checkpoint not beyond `max_epochs`; None if there is none.

    A truncated or corrupted one is logged by name, and the one before it is used.
    """
    for checkpoint in sorted(listed(folder), reverse=True):
        if (checkpoint.epoch, checkpoint.step) > (max_epochs, 0):
            continue
        try:
            return read(checkpoint.path, trial), checkpoint.path
        except BadCheckpoint as error:
            log.warning("%s Using the previous checkpoint.", error)
    return None


def read(path: Path, trial: str) -> CheckpointContents:
    """Contents of a checkpoint, on the CPU; raises `BadCheckpoint` unless whole and its own.

    Errors of the environment, such as a package that cannot be imported, are raised as they are.
    """
    described = _sidecar(path)
    try:
        if described is None or _bytes(path) != described.bytes:
            raise _torn(path)
        contents = CheckpointContents(**_loaded(path, described.sha256))
        _check(contents)
    except (BadCheckpoint, *ENVIRONMENT):
        raise
    except Exception as error:  # torch.load raises whatever its unpickler meets
        if out_of_memory(error):
            raise
        raise BadCheckpoint(
            f"the checkpoint {path} cannot be read: {' '.join(str(error).split())[:160]}."
        ) from error
    if contents.trial != trial:
        raise BadCheckpoint(
            f"the checkpoint {path} belongs to the trial {contents.trial}, not to {trial}."
        )
    return contents


def listed(folder: Path) -> Iterator[CheckpointFile]:
    """All checkpoints of a folder that have a sidecar."""
    names = set(atomic.list_names(folder))
    for name in names:
        match = NAME.fullmatch(name.removesuffix(".pt"))
        if match and name.endswith(".pt") and name.removesuffix(".pt") + ".json" in names:
            yield CheckpointFile(int(match[1]), int(match[2] or 0), folder / name)


def prune(folder: Path, kept_epochs: set[int], kept_paths: set[Path]) -> None:
    """Remove all but the newest two, those of `kept_epochs`, and `kept_paths`.

    Old orphans and temporary files are removed too.
    """
    for checkpoint in sorted(listed(folder), reverse=True)[KEPT:]:
        if (
            checkpoint.step == 0 and checkpoint.epoch in kept_epochs
        ) or checkpoint.path in kept_paths:
            continue
        codec.refuse_newer(CheckpointRecord, checkpoint.sidecar)
        checkpoint.sidecar.unlink(missing_ok=True)
        checkpoint.path.unlink(missing_ok=True)
    for orphan in [*folder.glob(".*.draft"), *folder.glob("*.pt")]:
        if orphan.suffix == ".pt" and orphan.with_suffix(".json").exists():
            continue
        try:
            if time.time() - orphan.stat().st_mtime > ORPHAN_S:
                orphan.unlink()
        except FileNotFoundError:
            continue


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over a state dict: name, type, shape and bytes of each entry, in order of name."""
    summed = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        summed.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        summed.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return summed.hexdigest()


def _loaded(path: Path, sha256: str) -> Any:
    """Load a file while hashing it; nothing is returned if the checksum differs."""
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(atomic.file_digest, path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        finally:
            # Before any loading error: corruption is neither out of memory nor a wrong format.
            if digest.result() != sha256:
                raise _torn(path)


def _bytes(path: Path) -> int | None:
    """The size of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _torn(path: Path) -> BadCheckpoint:
    return BadCheckpoint(f"the checkpoint {path} is damaged: its checksum does not match.")


def _check(contents: CheckpointContents) -> None:
    """Raise `TypeError` or `ValueError` unless every part has its type."""
    parts = (contents.running, contents.network, contents.optimizer, contents.scheduler)
    if not all(isinstance(part, dict) for part in (*parts, contents.beside)) or not isinstance(
        contents.trial, str
    ):
        raise TypeError("a part has the wrong type")
    if not all(isinstance(value, Tensor) for value in contents.network.values()):
        raise TypeError("its network contains values that are not tensors")
    if type(contents.epoch) is not int or type(contents.step) is not int:
        raise TypeError("its epoch or step is not an integer")
    if [row["epoch"] for row in contents.rows] != list(range(1, contents.epoch + 1)):
        raise ValueError(f"its rows do not match its {contents.epoch} epochs")


def _sidecar(path: Path) -> CheckpointRecord | None:
    with contextlib.suppress(DamagedFile):
        return codec.read(path.with_suffix(".json"), CheckpointRecord)
    return None
