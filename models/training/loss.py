"""The loss of a batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def mean_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of scores (n, classes).

    Labels are class indices (n), or shares of the classes (n, classes) where images are mixed.
    """
    loss: Tensor = functional.cross_entropy(scores, labels)
    return loss
