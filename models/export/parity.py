"""Compare the scores of an exported network with those of torch, image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from jobs.errors import OrchError
from models.data.augment import centred
from models.data.batches import Data, Indices, cut
from models.networks.of_trial import Normalisation
from models.training.learner import normalised

Scores = npt.NDArray[np.float32]
Answer = Callable[[npt.NDArray[np.float32]], Scores]
"""Scores (n, classes) of normalised images (n, 3, s, s)."""
BATCH_IMAGES = 32
TOLERANCE = 0.01
"""Share of the largest score by which scores may differ; rounding stays far below it."""


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """A test image for which the exported network names another class.

    `margin` is by how much torch's score of its own class is higher.
    """

    image: str
    torch: str
    exported: str
    margin: float


@dataclass(frozen=True, slots=True)
class Quantised:
    """How a file with 8-bit numbers was made, and how many test images are right without and with.

    Its ranges come from `calibration_images` training images.
    """

    weight_bits: int
    calibration_images: int
    float32_correct: int
    correct: int


@dataclass(frozen=True, slots=True)
class Parity:
    """Answers of an exported network on all test images, compared with torch's.

    `quantised` is None but for 8-bit numbers.
    """

    images: int
    max_score_difference: float
    others: tuple[OtherAnswer, ...]
    quantised: Quantised | None = None


def of_network(network: nn.Module) -> Answer:
    """The answers of a network of torch, in evaluation mode."""
    network.eval()

    def answer(images: npt.NDArray[np.float32]) -> Scores:
        with torch.inference_mode():
            scores: Scores = network(torch.from_numpy(images)).flatten(1).float().numpy()
        return scores

    return answer


def batches(data: Data, indices: Indices, by: Normalisation) -> Iterator[npt.NDArray[np.float32]]:
    """The images of these indices in batches, normalised (n, 3, s, s)."""
    for piece in cut(indices, BATCH_IMAGES):
        pixels = torch.from_numpy(np.array(data.images[piece]))
        yield normalised(centred(pixels, data.image_side), by=by).contiguous().numpy()


def compare(data: Data, indices: Indices, reference: Sequence[Scores], exported: Scores) -> Parity:
    """The differences on these images; raises `OrchError` if scores are far from each other."""
    wanted = _usable(reference, exported)
    largest = float(np.abs(exported - wanted).max())
    if largest > TOLERANCE * float(np.abs(wanted).max()):
        raise OrchError(
            f"the exported network's scores differ from torch's by up to {largest:g}. Nothing was "
            "written. Try another --format."
        )
    return differences(data, indices, wanted, exported)


def compare_quantised(
    data: Data,
    indices: Indices,
    reference: Sequence[Scores],
    exported: Scores,
    weight_bits: int,
    calibration_images: int,
) -> Parity:
    """The differences of 8-bit numbers, however large; raises `OrchError` for no usable scores."""
    wanted, labels = _usable(reference, exported), data.labels[indices]
    right = (int((scores.argmax(1) == labels).sum()) for scores in (wanted, exported))
    made = Quantised(weight_bits, calibration_images, *right)
    return replace(differences(data, indices, wanted, exported), quantised=made)


def _usable(reference: Sequence[Scores], exported: Scores) -> Scores:
    """The scores of torch for the same images; raises `OrchError` where none are comparable."""
    wanted = np.concatenate(reference)[: len(exported)]
    if wanted.shape != exported.shape or not np.isfinite(exported).all():
        raise OrchError("the exported network gives no usable scores. Nothing was written.")
    return wanted


def differences(data: Data, indices: Indices, wanted: Scores, exported: Scores) -> Parity:
    """The differences on these images, however large."""
    largest = float(np.abs(exported - wanted).max())
    mine, theirs = wanted.argmax(1), exported.argmax(1)
    others = tuple(
        OtherAnswer(
            data.paths[indices[row]],
            data.classes[mine[row]],
            data.classes[theirs[row]],
            float(wanted[row, mine[row]] - wanted[row, theirs[row]]),
        )
        for row in np.flatnonzero(mine != theirs)
    )
    return Parity(len(exported), largest, others)
