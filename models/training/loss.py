"""The loss of a batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def mean_loss(scores: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of scores (n, classes).

    Labels are class indices (n), or shares of the classes (n, classes) where images are mixed.
    `smoothing` is the share of each label that is spread evenly over all classes.
    """
    loss: Tensor = functional.cross_entropy(scores, labels, label_smoothing=smoothing)
    return loss
