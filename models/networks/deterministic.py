"""Arithmetic on a GPU that repeats bit for bit, for recipes that ask for it.

torch then refuses every operation that has no repeatable form. Of what the backbones are made of that is one: the
backward pass of adaptive average pooling, which is therefore done by products of matrices.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.networks.scratch import Scratch


class AveragePool(nn.Module):
    """What `nn.AdaptiveAvgPool2d` does, as two products of matrices, whose order of summing is fixed."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, channels, height, width)."""
        high, wide = images.shape[-2:]
        if (high, wide) == (self.height, self.width):
            return images
        rows, columns = shares(high, self.height, images), shares(wide, self.width, images)
        return rows @ images @ columns.T


def shares(given: int, wanted: int, like: Tensor) -> Tensor:
    """The matrix (wanted, given) that averages `given` places into `wanted` ones as torch's adaptive pooling does."""
    matrix = like.new_zeros(wanted, given)
    for place in range(wanted):
        start, end = place * given // wanted, math.ceil((place + 1) * given / wanted)
        matrix[place, start:end] = 1 / (end - start)
    return matrix


def demand(wanted: bool) -> None:
    """Have torch use and allow nothing but repeatable operations from now on; or not any longer."""
    torch.use_deterministic_algorithms(wanted)
    # Filling memory that is about to be written anyway would cost time for nothing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def replace_pools(network: nn.Module) -> nn.Module:
    """Put `AveragePool` in the place of adaptive pooling wherever a network pools to more than one place."""
    if isinstance(network, Scratch):
        network.average = AveragePool(7, 7)
    for name, inner in network.named_children():
        if isinstance(inner, nn.AdaptiveAvgPool2d):
            size = inner.output_size
            height, width = size if isinstance(size, tuple) else (size, size)
            if height is not None and width is not None and (height, width) != (1, 1):
                setattr(network, name, AveragePool(height, width))
        else:
            replace_pools(inner)
    return network
