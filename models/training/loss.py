"""The loss of a batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jobs.spec.class_weights import require_known
from jobs.spec.model import Recipe
from models.data.batches import Data


def mean_loss(
    scores: Tensor, labels: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy of scores (n, classes).

    Labels are class indices (n), or shares of the classes (n, classes) where images are mixed.
    `smoothing` is the share of each label that is spread evenly over all classes. The loss of each
    image is multiplied by the weight of its class; the mean is over images, not over weights.
    """
    if weights is None:
        loss: Tensor = functional.cross_entropy(scores, labels, label_smoothing=smoothing)
        return loss
    summed: Tensor = functional.cross_entropy(
        scores, labels, weights, label_smoothing=smoothing, reduction="sum"
    )
    return summed / len(scores)


def class_weights(recipe: Recipe, data: Data, device: torch.device) -> Tensor | None:
    """The weight of each class in the loss; None where all weigh the same.

    Balanced weights are inverse to the number of training images, with a mean of 1 over these.
    """
    if recipe.class_weights == "none":
        return None
    if recipe.class_weights == "balanced":
        train = data.labels[data.splits["train"]]
        counts = np.bincount(train, minlength=len(data.classes))
        weights = len(train) / (len(data.classes) * np.maximum(counts, 1))
    else:
        given = dict(recipe.class_weights)
        require_known(recipe.class_weights, data.classes)
        weights = np.array([given.get(name, 1.0) for name in data.classes])
    return torch.tensor(weights, dtype=torch.float32, device=device)
