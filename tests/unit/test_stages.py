"""Multiply-adds at other image sizes are those of the networks, layer by layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobs.catalog.backbones import CATALOG


def counted(name: str, size: int) -> int:
    """Multiply-adds of all convolutions and linear layers of one forward pass."""
    torch = pytest.importorskip("torch")
    from models.networks import build

    network, total = build.skeleton(name, 20).eval(), 0

    def see(layer: Any, _: Any, out: Any) -> None:
        nonlocal total
        if isinstance(layer, torch.nn.Conv2d):
            inputs, (down, across) = layer.in_channels // layer.groups, layer.kernel_size
            total += out.numel() * inputs * down * across
        else:
            total += out.numel() * layer.in_features

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(see)
    with torch.device("meta"):
        network(torch.empty(1, 3, size, size))
    return total


@pytest.mark.parametrize("name", CATALOG)
def test_multiply_adds_are_exact_at_any_size(name: str) -> None:
    """The smallest size, odd ones, and large ones."""
    sizes = [CATALOG[name].min_image_size, 64, 97, 128, 225, 299, 384]
    found = {size: CATALOG[name].gmacs_at(20, size) for size in sizes if size >= 32}

    assert found == {size: counted(name, size) / 1e9 for size in found}


def test_a_network_without_stages_has_the_published_size_only() -> None:
    """Nothing is guessed at another one."""
    entry = replace(CATALOG["vgg16"], stages=())

    assert entry.gmacs_at(20, 224) == entry.gmacs(20)
    assert entry.gmacs_at(20, 64) is None
