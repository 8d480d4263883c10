"""Bit-for-bit repeatable arithmetic on a GPU, for recipes that request it.

torch then refuses every operation without a repeatable form. One such operation in the backbones is
the backward pass of adaptive average pooling, which is replaced by matrix products.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from models.networks.scratch import Scratch


class AveragePool(nn.Module):
    """`nn.AdaptiveAvgPool2d` as two matrix products with a fixed order of summation."""

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
    """The matrix (wanted, given) that averages as torch's adaptive pooling does."""
    matrix = like.new_zeros(wanted, given)
    for place in range(wanted):
        start, end = place * given // wanted, math.ceil((place + 1) * given / wanted)
        matrix[place, start:end] = 1 / (end - start)
    return matrix


def replace_pools(network: nn.Module) -> nn.Module:
    """Replace adaptive pooling to more than one place by `AveragePool`."""
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
