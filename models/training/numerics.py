"""Numerics that a trial's first attempt chooses and later ones keep."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import torch
from torch import nn

from jobs import atomic
from jobs.errors import BadWeights, DamagedFile
from jobs.store import codec
from jobs.store.records import NumericsRecord, ThreadsRecord
from jobs.store.store import Store
from jobs.task import Trial
from models.runtime.device import Chosen, choose_precision


@dataclass(frozen=True, slots=True)
class Numerics:
    """Precision, threads, kind of device, checksum of the weights file (None: random weights)."""

    precision: Chosen
    threads: int
    device: str
    weights_sha256: str | None

    def check_weights(self, path: Path, digest: str | None) -> None:
        """Raise `BadWeights` unless the checksum is that of the weights the trial began with."""
        if digest != self.weights_sha256:
            raise BadWeights(
                f"{path} (SHA-256 {digest}) is not the file that this trial started with (SHA-256 "
                f"{self.weights_sha256}). Restore that file, or use the new one with another seed "
                "or recipe."
            )


def settle(
    store: Store,
    trial: Trial,
    device: torch.device,
    threads: int,
    weights_sha256: str | None,
    network: nn.Module,
) -> Numerics:
    """The trial's recorded numerics, else chosen and recorded now. Sets torch's threads.

    The attempt's log says so where they are not the worker's threads.
    """
    path, given = store.numerics_path(trial.name), threads
    if not path.exists():
        threads = planned_threads(store.threads_path(trial.name)) or threads
        precision = choose_precision(trial.recipe.precision, device, network)
        record = NumericsRecord(
            precision=precision,
            threads=threads,
            device=device.type,
            weights_sha256=weights_sha256,
        )
        atomic.create_json(path, codec.encode(record))
    numerics = kept(path)
    if numerics.threads != given:
        print(
            f"this trial computes with {numerics.threads} thread(s) in {numerics.precision}, as "
            "recorded when it began",
            file=sys.stderr,
            flush=True,
        )
    return numerics


def planned_threads(path: Path) -> int | None:
    """Threads that the submission chose for a trial, or None."""
    record = codec.read(path, ThreadsRecord)
    if record is None:
        return None
    if record.threads < 1:
        raise codec.damaged_file(path, f"'threads' is {record.threads}")
    return record.threads


def kept(path: Path) -> Numerics:
    """The recorded numerics, applied to this process."""
    record = codec.read(path, NumericsRecord)
    if record is None:
        raise DamagedFile(f"{path} is missing, but the trial has checkpoints. Restore it.")
    if record.precision not in get_args(Chosen) or record.threads < 1:
        raise codec.damaged_file(path, "its precision or number of threads is invalid")
    precision = cast(Chosen, record.precision)
    numerics = Numerics(precision, record.threads, record.device, record.weights_sha256)
    torch.set_num_threads(numerics.threads)
    return numerics
