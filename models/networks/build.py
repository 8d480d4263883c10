"""Build a catalog network with a head for the data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from jobs.catalog import backbones
from jobs.errors import BadCheckpoint
from models.networks.scratch import Scratch
from models.networks.weights import find_weights, first_mismatch, read_weights, require_weights
from models.runtime.rng import derive_seed

__all__ = ["build_network", "find_weights", "require_weights", "restored", "skeleton"]


def build_network(name: str, classes: int, seed: int, weights: Path | None = None) -> nn.Module:
    """The network of a catalog name with a head of `classes` outputs, in float32 on the CPU.

    Random values come from (seed, name) alone. `weights` is a file of ImageNet weights for
    everything but the head; raises `BadWeights` when it does not fit.
    """
    torch.manual_seed(derive_seed("init", seed, name))
    if weights is None:
        return _with_head(name, _body(name, classes), classes)
    with torch.device("meta"):
        body = _body(name, classes)
    body.load_state_dict(read_weights(weights, body), assign=True)
    network = _with_head(name, body.requires_grad_(True), classes)
    if name.startswith("squeezenet"):
        _small(_convolution_of(network))
    return network


def skeleton(name: str, classes: int) -> nn.Module:
    """The network without values, on torch's meta device; takes no time and no memory."""
    with torch.device("meta"):
        return _with_head(name, _body(name, classes), classes)


def restored(name: str, classes: int, state: dict[str, Tensor]) -> nn.Module:
    """The network with a state dict of its own; raises `BadCheckpoint` when it does not fit."""
    network = skeleton(name, classes)
    mismatch = first_mismatch(state, network.state_dict(), finite=False)
    if mismatch:
        raise BadCheckpoint(
            f"the checkpoint does not fit {name} with {classes} classes: {mismatch}."
        )
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(True)


def _body(name: str, classes: int) -> nn.Module:
    """Network of torchvision with 1,000 classes, or Scratch, which has only our head."""
    torchvision_name = backbones.find_backbone(name).torchvision_name
    if torchvision_name is None:
        return Scratch(classes)
    network: nn.Module = torchvision.models.get_model(torchvision_name, weights=None)
    return network


def _with_head(name: str, network: nn.Module, classes: int) -> nn.Module:
    return HEADS[name](network, classes) if name in HEADS else network


def _linear_head(network: nn.Module, classes: int) -> nn.Module:
    """Replace the last layer of `classifier`, a linear one, as in AlexNet."""
    _last_linear(network, classes)
    return network


def _small_linear_head(network: nn.Module, classes: int) -> nn.Module:
    """The same with the small initial values of torchvision's VGG and MobileNet."""
    _small(_last_linear(network, classes))
    return network


def _last_linear(network: nn.Module, classes: int) -> nn.Linear:
    """A new last layer of `classifier`, in place."""
    classifier = network.classifier
    if not isinstance(classifier, nn.Sequential) or not isinstance(
        last := classifier[-1], nn.Linear
    ):
        raise TypeError(
            f"{type(network).__name__} has no linear layer at the end of its classifier"
        )
    classifier[-1] = layer = nn.Linear(last.in_features, classes)
    return layer


def _residual_head(network: nn.Module, classes: int) -> nn.Module:
    """Replace `fc` of a residual network."""
    network.fc = nn.Linear(512, classes)
    return network


def _convolution_head(kernel: int) -> Callable[[nn.Module, int], nn.Module]:
    """SqueezeNet's classifier with a convolution of this kernel size (no padding), as in the study.

    Initial values are the layer's defaults on a random network, and torchvision's smaller ones on a
    pretrained one. Each learns much slower with the other's (one seed each). Photographs of 22
    classes, pretrained, the study's recipe, validation accuracy after 4 epochs: 75% small, 60%
    default. Digits, random, learning rate 0.003, test accuracy after 3 epochs: 17% small.
    """

    def replace(network: nn.Module, classes: int) -> nn.Module:
        network.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Conv2d(512, classes, kernel),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        return network

    return replace


def _convolution_of(network: nn.Module) -> nn.Conv2d:
    """The convolution in SqueezeNet's classifier."""
    classifier = network.classifier
    if not isinstance(classifier, nn.Sequential) or not isinstance(
        layer := classifier[1], nn.Conv2d
    ):
        raise TypeError(f"{type(network).__name__} has no convolution in its classifier")
    return layer


def _small(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """Initialise a layer with standard deviation 0.01 and zero bias."""
    nn.init.normal_(layer.weight, 0.0, 0.01)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


HEADS: dict[str, Callable[[nn.Module, int], nn.Module]] = {
    "alexnet": _linear_head,
    "mobilenet-v3": _small_linear_head,
    "squeezenet": _convolution_head(1),
    "squeezenet-finetuned": _convolution_head(3),
    "vgg16": _small_linear_head,
    "resnet34": _residual_head,
}
