"""Build a network with a head for the data set: the catalog's here, others by their library."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import torch
import torchvision
from torch import Tensor, nn

from jobs.catalog.backbones import CATALOG, PUBLISHED_SIZE, Backbone, find_backbone
from jobs.errors import NetworkDiffers
from models.networks import libraries
from models.networks.catalog_heads import replace_head
from models.networks.libraries import Wanted
from models.networks.state import first_mismatch
from models.networks.weights import (
    IMAGENET_CLASSES,
    find_weights,
    read_weights,
    require_weights,
)
from models.runtime.rng import derive_seed

__all__ = ["build_network", "find_weights", "require_weights", "restored", "skeleton"]


def build_network(
    name: str,
    classes: int,
    seed: int,
    weights: Path | None = None,
    image_size: int = PUBLISHED_SIZE,
    source: Path | None = None,
) -> nn.Module:
    """The network of this label with a head of `classes` outputs, in float32 on the CPU.

    Random values come from (seed, name) alone. `weights` is a file of pretrained weights for
    everything but the head; raises `BadWeights` when it does not fit. `image_size` (pixels) and the
    own file `source` matter only outside the catalog.
    """
    if name not in CATALOG:
        return libraries.build(Wanted(name, image_size, source), classes, seed, weights)
    entry = find_backbone(name)
    torch.manual_seed(derive_seed("init", seed, name))
    if weights is None:
        return _with_head(entry, _body(entry, classes), classes)
    body = _without_values(entry, classes)
    body.load_state_dict(read_weights(weights, body), assign=True)
    return _with_head(entry, body.requires_grad_(True), classes, pretrained=True)


def skeleton(
    name: str, classes: int, image_size: int = PUBLISHED_SIZE, source: Path | None = None
) -> nn.Module:
    """The network without values, on torch's meta device; takes no time and no memory.

    Outside the catalog it may have values, where it cannot be built without them.
    """
    if name not in CATALOG:
        return libraries.skeleton(Wanted(name, image_size, source), classes)
    return skeleton_of(find_backbone(name), classes)


def skeleton_of(entry: Backbone, classes: int) -> nn.Module:
    """The same for an entry, which need not be in the catalog."""
    body = _without_values(entry, classes)
    with torch.device("meta"):
        return _with_head(entry, body, classes)


def pretrained_skeleton(entry: Backbone) -> nn.Module | None:
    """The network that ImageNet weights are for, without values; None if there are none."""
    return None if entry.torchvision_name is None else _without_values(entry, IMAGENET_CLASSES)


def restored(
    name: str,
    classes: int,
    state: dict[str, Tensor],
    image_size: int = PUBLISHED_SIZE,
    source: Path | None = None,
) -> nn.Module:
    """The network with a state dict of its own; raises `NetworkDiffers` when it does not fit."""
    if name in CATALOG:
        network = skeleton(name, classes)
    else:  # with values: some are not in the state dict, such as tables of positions
        network = libraries.make(Wanted(name, image_size, source), classes)
    mismatch = first_mismatch(state, network.state_dict(), finite=False)
    if mismatch:
        raise NetworkDiffers(
            f"the checkpoint does not fit {name} with {classes} classes: {mismatch}. Install the "
            "versions of the libraries that it was trained with; the report names them."
        )
    network.load_state_dict(state, assign=name in CATALOG)
    return network.requires_grad_(True) if name in CATALOG else network


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
