"""Predictions of a network on a split, and their metrics."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jobs.catalog.metrics import validated
from jobs.errors import LossNotFinite
from models.data.augment import Change, centred
from models.data.batches import Batch, Data, Indices, batches, cut
from models.data.device_transfer import Coming
from models.runtime.out_of_memory import out_of_memory
from models.training.learner import Learner

log = logging.getLogger(__name__)
MAX_UNTRAINED = 256


def predict_split(
    learner: Learner,
    data: Data,
    split: str,
    change: Change = lambda images, places: images,
    compute: Callable[[Batch], Tensor] | None = None,
) -> Iterator[tuple[Indices, Tensor, Tensor]]:
    """Indices, labels and scores of every image of a split, in order, in evaluation mode.

    Labels and scores are on the host, copied while the next images are computed. `change`
    transforms the images of a batch, given their indices. Batches are halved when memory runs out;
    an image's scores do not depend on the others. `compute` gives something else than scores.
    """
    learner.network.eval()
    compute = compute or learner.scores
    images, left = min(MAX_UNTRAINED, 4 * learner.recipe.batch_size), data.splits[split]
    ahead: tuple[Indices, Coming] | None = None

    while len(left):
        pieces = cut(left, images)
        try:
            for piece, batch in zip(pieces, batches(data, pieces, learner.device), strict=True):
                with torch.inference_mode():
                    seen = change(centred(batch.images, data.image_side), piece)
                    scores = Coming.of(compute(Batch(seen, batch.labels)))
                ready, ahead = ahead, (piece, scores)
                left = left[len(piece) :]
                if ready is not None:
                    yield _known(data, *ready)
        except (MemoryError, RuntimeError) as error:
            if out_of_memory(error) is None:
                raise
            if not (learner.make_room() or data.make_room()):
                images = _half(images, error)
        else:
            break
        torch.cuda.empty_cache()
    if ahead is not None:
        yield _known(data, *ahead)


def _known(data: Data, piece: Indices, scores: Coming) -> tuple[Indices, Tensor, Tensor]:
    return piece, torch.from_numpy(data.labels[piece]), scores.arrived()


def _half(images: int, error: Exception) -> int:
    """Half as many images at once; raises the error where that is none."""
    if images == 1:
        raise error
    log.warning("%d images do not fit into memory at once; trying half of them", images)
    return images // 2


@dataclass(frozen=True, slots=True)
class Validation:
    """Mean loss and accuracy on the validation images, and every metric by its column.

    `answers` are those of each image (see `validation_answers`).
    """

    loss: float
    accuracy: float
    columns: dict[str, float]
    answers: dict[str, Tensor] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the metrics need to know of the answers to the validation images."""

    classes: int
    labels: Indices
    predicted: Indices
    rank: Indices
    label_confidence: None = None


def answers_of(scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The class predicted for each image, its probability, and that and rank of the true one."""
    shares, predicted = torch.softmax(scores.float(), 1), scores.argmax(1)
    return {
        "predicted": predicted,
        "confidence": shares.gather(1, predicted[:, None])[:, 0],
        "label_confidence": shares.gather(1, labels[:, None])[:, 0],
        "label_rank": torch.from_numpy(ranks(scores.numpy(), labels.numpy())),
    }


def validate(learner: Learner, data: Data, epoch: int, tell: Callable[[int], None]) -> Validation:
    """Metrics on the validation images, of the network's average if it has one.

    `tell` gets the number of images done.
    """
    losses, parts, done = list[float](), list[dict[str, Tensor]](), 0
    with nullcontext() if learner.average is None else learner.average.in_place():
        for piece, labels, scores in predict_split(learner, data, "validation"):
            losses += losses_of(scores, labels)
            parts.append(answers_of(scores, labels))
            done += len(piece)
            tell(done)
    loss_sum = math.fsum(losses)
    if not math.isfinite(loss_sum):
        raise LossNotFinite(
            f"the validation loss is {loss_sum} after epoch {epoch}, at learning rate "
            f"{learner.learning_rate:g}. {learner.smaller_rate}"
        )
    told = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    true, said = data.labels[data.splits["validation"]], told["predicted"].numpy()
    loss, accuracy = loss_sum / done, int((said == true).sum()) / done
    answers = _Answers(len(data.classes), true, said, told["label_rank"].numpy())
    others = {
        column: value
        for column, metric in validated().items()
        if len(data.classes) >= metric.min_classes and (value := metric.of(answers)) is not None
    }
    columns = others | {"val_loss": loss, "val_accuracy": accuracy}
    return Validation(loss, accuracy, columns, told)


def losses_of(scores: Tensor, labels: Tensor) -> list[float]:
    """Loss of each image. Their exact sum (`math.fsum`) does not depend on the batch size."""
    losses: list[float] = (
        functional.cross_entropy(scores, labels, reduction="none").double().tolist()
    )
    return losses


def ranks(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]], labels: Indices) -> Indices:
    """Number of classes ranked before the true one; ties by class index, as in argmax."""
    own = scores[np.arange(len(labels)), labels][:, None]
    index = np.arange(scores.shape[1])[None, :]
    before = (scores > own) | ((scores == own) & (index < labels[:, None]))
    counted: Indices = before.sum(axis=1)
    return counted
