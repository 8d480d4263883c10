"""The catalog's description of each network, compared with the network and with torchvision's
figures.
"""

from __future__ import annotations

import pytest

from jobs.catalog.backbones import CATALOG

PUBLISHED = {
    "alexnet": 0.71,
    "mobilenet-v3": 0.22,
    "squeezenet": 0.82,
    "vgg16": 15.47,
    "resnet34": 3.66,
}


def counted(name: str, classes: int) -> int:
    """Multiply-adds of convolutions and linear layers for one image of 224 px, counted in a forward
    pass.
    """
    torch = pytest.importorskip("torch")
    from models.networks import build

    network, total = build.skeleton(name, classes).eval(), 0

    def see(layer: object, _: object, out: object) -> None:
        nonlocal total
        if isinstance(layer, torch.nn.Conv2d):
            each = layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        else:
            each = layer.in_features  # type: ignore[attr-defined]
        total += out.numel() * each  # type: ignore[attr-defined]

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(see)
    with torch.device("meta"):
        network(torch.empty(1, 3, 224, 224))
    return total


@pytest.mark.parametrize("name", CATALOG)
def test_multiply_adds_are_those_of_the_network(name: str) -> None:
    """Body and head, at the study's 20 classes."""
    found = CATALOG[name].gmacs(20)

    assert found == counted(name, 20) / 1e9


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_are_the_published_ones_at_1000_classes(name: str) -> None:
    """Torchvision's table of GFLOPS (multiply-adds, rounded to two digits)."""
    found = CATALOG[name].gmacs(1000)

    assert round(found, 2) == PUBLISHED[name]
