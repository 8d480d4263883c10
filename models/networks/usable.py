"""Whether a network can be trained and tested: its values, its scores, and their gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from jobs.errors import BadSpec

IMAGES = 2


def forward(network: nn.Module, image_size: int, images: int) -> Any:
    """What the network gives for black images (n, 3, s, s) on its own device."""
    device = next((value.device for value in network.parameters()), torch.device("cpu"))
    return network(torch.zeros(images, 3, image_size, image_size, device=device))


def require_usable(label: str, network: nn.Module, image_size: int, classes: int) -> None:
    """Raise `BadSpec` unless the network gives scores that it can be trained by.

    Whatever the network's own code raises is left as it is.
    """
    lazy = any(is_lazy(value) for value in network.parameters())
    with torch.enable_grad():
        scores = forward(network.train(), image_size, IMAGES)
    _require_scores(label, scores, classes)
    with torch.no_grad():
        tested = forward(network.eval(), image_size, IMAGES)
    _require_scores(f"{label} in evaluation", tested, classes)
    if lazy:
        raise BadSpec(
            f"{label} has layers whose size follows from the first images, such as LazyLinear. "
            "Give the size, or pass images through the network before it is returned."
        )
    if not scores.requires_grad:
        raise BadSpec(
            f"{label} gives scores without a gradient, so it cannot be trained: none of its "
            "parameters has requires_grad, or its scores are detached or rounded."
        )


def require_values(label: str, network: nn.Module) -> None:
    """Raise `BadSpec` unless a network that was made with values has all of them, in float32."""
    values = [value for value in network.parameters() if not is_lazy(value)]
    if any(value.is_meta for value in (*values, *network.buffers())):
        raise BadSpec(f"{label} is on torch's meta device and has no values. Make it on the CPU.")
    other = {value.dtype for value in values if value.is_floating_point()} - {torch.float32}
    if other:
        raise BadSpec(
            f"{label} has values of type {next(iter(other))}; float32 is needed. For faster "
            "arithmetic use --precision bf16."
        )


def _require_scores(label: str, scores: Any, classes: int) -> None:
    shape = _shape_of(scores)
    if shape != (IMAGES, classes):
        told = shape if isinstance(shape, str) else f"scores of shape {shape}"
        raise BadSpec(
            f"{label} gives {told} for two images and {classes} classes; "
            f"a score for each class is needed, of shape ({IMAGES}, {classes})."
        )


def _shape_of(scores: Any) -> tuple[int, ...] | str:
    """The shape of the scores, or the type of what comes instead."""
    if not isinstance(scores, Tensor):
        return type(scores).__name__
    return tuple(scores.flatten(1).shape) if scores.ndim > 1 else tuple(scores.shape)
