"""A linear probe: the last layer of a network alone, trained on features of what precedes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from jobs.errors import BadSpec
from models.networks.build import skeleton
from models.networks.libraries import FEW, MANY, class_dependent


def head_values(
    name: str, network: nn.Module, classes: int, image_size: int, source: Path | None
) -> frozenset[str]:
    """The names of the values whose shapes depend on the number of classes."""
    other = skeleton(name, MANY if classes == FEW else FEW, image_size, source)
    return class_dependent(network, other)


class Head(nn.Module):
    """The last layer of a network and what follows it: features to scores (n, classes)."""

    def __init__(self, layer: nn.Module, following: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(layer, *following)

    def forward(self, features: Tensor) -> Tensor:
        """Scores; features that were stored as bits of bfloat16 are taken as such."""
        if features.dtype == torch.int16:
            features = features.view(torch.bfloat16)
        scores: Tensor = self.layers(features)
        return scores.flatten(1)

    def averaged(self, features: Tensor) -> Tensor:
        """Features (n, ...) as float32 means (n, values) over all places of an image.

        Linear layers take the values of a place in the last dimension, others in the second.
        """
        last = isinstance(self.layers[0], nn.Linear)
        places = range(1, features.ndim - 1) if last else range(2, features.ndim)
        return features.float().mean(tuple(places)) if len(places) else features.float()


def find_head(label: str, network: nn.Module, values: frozenset[str]) -> Head:
    """The head of a network, which shares its values; raises `BadSpec` without a single layer."""
    layers = {value.rpartition(".")[0] for value in values}
    if len(layers) != 1 or "" in layers:
        raise BadSpec(
            f"{label} has {'no' if not values else 'more than one'} layer that follows the number "
            "of classes, so neither finetune head nor rank can use it. Train it with finetune full."
        )
    name = layers.pop()
    parent = network.get_submodule(name.rpartition(".")[0])
    siblings = list(parent.children()) if isinstance(parent, nn.Sequential) else []
    layer = network.get_submodule(name)
    place = next((n for n, each in enumerate(siblings) if each is layer), len(siblings))
    return Head(layer, siblings[place + 1 :])


@contextmanager
def features_seen(head: Head) -> Iterator[list[Tensor]]:
    """What the last layer gets while the block runs the network."""
    seen: list[Tensor] = []
    handle = head.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        handle.remove()


def require_head(label: str, head: Head, network: nn.Module, images: Tensor) -> Tensor:
    """What the last layer gets; raises `BadSpec` unless the scores come from that layer alone.

    The images (n, 3, s, s) are normalised floats on the device of the network.
    """
    network.eval()
    with torch.inference_mode(), features_seen(head) as seen:
        scores = network(images)
    with torch.inference_mode():
        alone = head(seen[0]) if len(seen) == 1 else None
    expected = scores.flatten(1)
    if (
        alone is None
        or alone.shape != expected.shape
        or not torch.allclose(alone, expected, rtol=1e-3, atol=1e-4, equal_nan=True)
    ):
        raise BadSpec(
            f"the scores of {label} do not come from its last layer alone, so neither finetune "
            "head nor rank can use it. Train it with finetune full."
        )
    return seen[0]
