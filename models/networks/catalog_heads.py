"""Heads: the last layer of a network of torchvision, replaced by one for the classes of a data set.

A new kind of head is one function and one line of `HEADS`; entries of the catalog name it.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from jobs.catalog.suggest import unknown
from jobs.errors import UnknownBackbone

ReplaceHead = Callable[[nn.Module, int, bool], nn.Module]
"""Replaces the head of a network by one of so many classes.

The flag says whether the network is pretrained. Returns the network.
"""


def replace_head(kind: str | None, network: nn.Module, classes: int, pretrained: bool) -> nn.Module:
    """The network with a head of this kind; raises `UnknownBackbone` if there is none such."""
    if kind not in HEADS:
        raise UnknownBackbone(f"{unknown('head', kind, HEADS)}.")
    return HEADS[kind](network, classes, pretrained)


def _linear(network: nn.Module, classes: int, pretrained: bool) -> nn.Module:
    """A linear layer in place of the last one, with torch's initial values, as in AlexNet."""
    _last_linear(network, classes)
    return network


def _small_linear(network: nn.Module, classes: int, pretrained: bool) -> nn.Module:
    """The same with the small initial values of torchvision's VGG and MobileNet."""
    small_values(_last_linear(network, classes))
    return network


def _last_linear(network: nn.Module, classes: int) -> nn.Linear:
    """A new last linear layer, in place."""
    named_layers = [(name, layer) for name, layer in network.named_modules() if name]
    name, last = next(
        ((name, layer) for name, layer in reversed(named_layers) if isinstance(layer, nn.Linear)),
        ("", None),
    )
    if (
        last is None
        or last is not [layer for _, layer in named_layers if not any(layer.children())][-1]
    ):
        raise TypeError(f"{type(network).__name__} does not end in a linear layer")
    layer = nn.Linear(last.in_features, classes)
    network.set_submodule(name, layer)
    return layer


def _convolution(kernel: int) -> ReplaceHead:
    """SqueezeNet's classifier with a convolution of this kernel size (no padding), as in the study.

    Initial values are the layer's defaults on a random network, and torchvision's smaller ones on a
    pretrained one. Each learns much slower with the other's (one seed each). Photographs of 22
    classes, pretrained, the study's recipe, validation accuracy after 4 epochs: 75% small, 60%
    default. Digits, random, learning rate 0.003, test accuracy after 3 epochs: 17% small.
    """

    def replace(network: nn.Module, classes: int, pretrained: bool) -> nn.Module:
        layer = nn.Conv2d(_convolution_of(network).in_channels, classes, kernel)
        network.classifier = nn.Sequential(
            nn.Dropout(0.5), layer, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
        )
        if pretrained:
            small_values(layer)
        return network

    return replace


def _convolution_of(network: nn.Module) -> nn.Conv2d:
    """The convolution in the classifier of a network such as SqueezeNet."""
    classifier = getattr(network, "classifier", None)
    layers = classifier if isinstance(classifier, nn.Sequential) else ()
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if len(convolutions) != 1:
        raise TypeError(f"{type(network).__name__} has no convolution in its classifier")
    return convolutions[0]


def small_values(layer: nn.Conv2d | nn.Linear) -> None:
    """Initialise a layer with standard deviation 0.01 and zero bias."""
    nn.init.normal_(layer.weight, 0.0, 0.01)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


HEADS: dict[str, ReplaceHead] = {
    "linear": _linear,
    "small-linear": _small_linear,
    "convolution-1x1": _convolution(1),
    "convolution-3x3": _convolution(3),
}
