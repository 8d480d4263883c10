"""What a trial's first attempt decides about its arithmetic, and every later one keeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from jobs import files
from jobs.errors import BadWeights
from jobs.task import Trial
from models.device import Chosen, choose_precision


@dataclass(frozen=True, slots=True)
class Numerics:
    """Precision, threads, the kind of device, and the digest of the file of pretrained weights (None: random ones)."""

    precision: Chosen
    threads: int
    device: str
    weights_sha256: str | None

    def check_weights(self, path: Path) -> None:
        """Raise `BadWeights` unless the file is the one the trial was begun with."""
        if files.digest(path) != self.weights_sha256:
            raise BadWeights(
                f"{path} is not the file this trial began with (SHA-256 {self.weights_sha256}). Put that one there, "
                "or submit under the new weights with another seed."
            )


def settle(folder: Path, trial: Trial, device: torch.device, threads: int, weights: Path | None) -> Numerics:
    """The trial's numerics: those on record, else chosen and recorded now. Sets torch's number of threads."""
    path = folder / "numerics.json"
    if not path.exists():
        precision = choose_precision(trial.recipe.precision, device)
        digest = None if weights is None else files.digest(weights)
        files.create_json(path, asdict(Numerics(precision, threads, device.type, digest)))
    return kept(folder)


def kept(folder: Path) -> Numerics:
    """The numerics on record, set for this process."""
    numerics = Numerics(**files.read_json(folder / "numerics.json"))
    torch.set_num_threads(numerics.threads)
    return numerics
