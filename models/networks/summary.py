"""A network's layer table, found without its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.build import skeleton


@dataclass(frozen=True, slots=True)
class Row:
    """One layer: name such as `Conv2d-1`, output shape without batch, trainable parameters."""

    layer: str
    output: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Layers in order of execution, and the total of trainable parameters."""

    name: str
    classes: int
    image_size: int
    rows: tuple[Row, ...]
    total: int


def summarise(name: str, classes: int = 20, image_size: int = 224) -> Summary:
    """The layer table of a catalog network for this number of classes and image size (pixels)."""
    network = skeleton(name, classes).eval()
    rows: list[Row] = []
    for module in network.modules():
        if not any(module.children()):
            module.register_forward_hook(
                lambda layer, inputs, output: rows.append(_row(len(rows) + 1, layer, output))
            )
    with torch.inference_mode():
        network(torch.empty(1, 3, image_size, image_size, device="meta"))
    total = sum(value.numel() for value in network.parameters())
    return Summary(name, classes, image_size, tuple(rows), total)


def _row(number: int, layer: nn.Module, output: Any) -> Row:
    shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
    parameters = sum(value.numel() for value in layer.parameters(recurse=False))
    return Row(f"{type(layer).__name__}-{number}", shape, parameters)
