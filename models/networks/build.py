"""Build a catalog network with a head for the data set."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import torch
import torchvision
from torch import Tensor, nn

from jobs.catalog.backbones import Backbone, find_backbone
from jobs.errors import BadCheckpoint
from models.networks.heads import replace_head
from models.networks.weights import (
    IMAGENET_CLASSES,
    find_weights,
    first_mismatch,
    read_weights,
    require_weights,
)
from models.runtime.rng import derive_seed

__all__ = ["build_network", "find_weights", "require_weights", "restored", "skeleton"]


def build_network(name: str, classes: int, seed: int, weights: Path | None = None) -> nn.Module:
    """The network of a catalog name with a head of `classes` outputs, in float32 on the CPU.

    Random values come from (seed, name) alone. `weights` is a file of ImageNet weights for
    everything but the head; raises `BadWeights` when it does not fit.
    """
    entry = find_backbone(name)
    torch.manual_seed(derive_seed("init", seed, name))
    if weights is None:
        return _with_head(entry, _body(entry, classes), classes)
    body = _without_values(entry, classes)
    body.load_state_dict(read_weights(weights, body), assign=True)
    return _with_head(entry, body.requires_grad_(True), classes, pretrained=True)


def skeleton(name: str, classes: int) -> nn.Module:
    """The network without values, on torch's meta device; takes no time and no memory."""
    return skeleton_of(find_backbone(name), classes)


def skeleton_of(entry: Backbone, classes: int) -> nn.Module:
    """The same for an entry, which need not be in the catalog."""
    body = _without_values(entry, classes)
    with torch.device("meta"):
        return _with_head(entry, body, classes)


def pretrained_skeleton(entry: Backbone) -> nn.Module | None:
    """The network that ImageNet weights are for, without values; None if there are none."""
    return None if entry.torchvision_name is None else _without_values(entry, IMAGENET_CLASSES)


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


def _without_values(entry: Backbone, classes: int) -> nn.Module:
    """`_body` on the meta device; built with values first where it computes its own widths."""
    try:
        with torch.device("meta"):
            return _body(entry, classes)
    except NotImplementedError:  # RegNet reads a tensor while it is built
        return _body(entry, classes).to("meta")


def _body(entry: Backbone, classes: int) -> nn.Module:
    """A network of torchvision with 1,000 classes, or one of ours, which makes its own head."""
    if entry.torchvision_name is None:
        own: nn.Module = resolve_name(str(entry.own))(classes)
        return own
    network: nn.Module = torchvision.models.get_model(entry.torchvision_name, weights=None)
    return network


def _with_head(
    entry: Backbone, network: nn.Module, classes: int, pretrained: bool = False
) -> nn.Module:
    if entry.torchvision_name is None:
        return network
    return replace_head(entry.head, network, classes, pretrained)
