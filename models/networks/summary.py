"""A network's layer table, found without its values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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


def summarise(
    name: str, classes: int = 20, image_size: int = 224, source: Path | None = None
) -> Summary:
    """The layer table of a network for this number of classes and image size (pixels).

    Parameters outside the layers that were run, such as a table of positions, are the last row.
    """
    network = skeleton(name, classes, image_size, source).eval()
    rows: list[Row] = []
    run: set[nn.Module] = set()

    def record(layer: nn.Module, inputs: Any, output: Any) -> None:
        rows.append(_row(len(rows) + 1, layer, output, layer not in run))
        run.add(layer)

    for module in network.modules():
        if not any(module.children()):
            module.register_forward_hook(record)
    device = next((value.device for value in network.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        network(torch.zeros(1, 3, image_size, image_size, device=device))
    total = sum(value.numel() for value in network.parameters())
    outside = total - sum(row.parameters for row in rows)
    if outside:
        rows.append(Row("outside these layers", (), outside))
    return Summary(name, classes, image_size, tuple(rows), total)


def _row(number: int, layer: nn.Module, output: Any, first: bool) -> Row:
    """One run of a layer; its parameters count the first time."""
    shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
    parameters = sum(value.numel() for value in layer.parameters(recurse=False)) if first else 0
    return Row(f"{type(layer).__name__}-{number}", shape, parameters)
