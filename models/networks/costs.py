"""The cost of one image to a network: multiply-adds, and how many values its layers output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.networks.usable import forward

PER_GMAC = 2.4
PER_MILLION_VALUES = 0.2
"""Relative cost of a billion multiply-adds, and of a million values that layers give.

Fitted to six networks of the catalog, trained at 224 px on two cores (n = 3 each): 0.82 to 1.15 of
the measured times in bf16, 0.93 to 1.03 in float32. Multiply-adds alone give MobileNet V3 0.2 of
its time, because memory limits it.
"""
LEAST = 0.001


@dataclass(frozen=True, slots=True)
class ImageCost:
    """Multiply-adds (billions) and values of all layers (millions), for one image."""

    gmacs: float
    millions: float

    @property
    def relative(self) -> float:
        """The cost in units of the catalog's: the time of a step relative to Scratch at 224 px."""
        cost = PER_GMAC * self.gmacs + PER_MILLION_VALUES * self.millions
        return max(LEAST, float(f"{cost:.3g}"))


def of_image(network: nn.Module, image_size: int) -> ImageCost:
    """The cost of one image (3, s, s) in evaluation; the network no longer asks for gradients."""
    for value in network.eval().parameters():  # else the counter fails on those passed to a layer
        value.requires_grad_(False)
    values = 0

    def count(_layer: nn.Module, _given: Any, output: Any) -> None:
        nonlocal values
        values += output.numel() if isinstance(output, torch.Tensor) else 0

    leaves = [layer for layer in network.modules() if not any(layer.children())]
    handles = [
        layer.register_forward_hook(count)
        for layer in leaves
        if not isinstance(layer, torch.jit.ScriptModule)  # takes no hooks
    ]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            forward(network, image_size, 1)
    finally:
        for handle in handles:
            handle.remove()
    return ImageCost(float(counter.get_total_flops()) / 2e9, values / 1e6)
