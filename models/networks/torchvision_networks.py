"""Networks of torchvision: their names, heads, image sizes, and what their weights ask for."""

from __future__ import annotations

import difflib
import functools
import warnings
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from jobs.errors import UnknownBackbone
from jobs.spec.networks import Preparation
from models.networks.size_arguments import fitting_arguments

SHOWN = 80


@functools.cache
def names() -> tuple[str, ...]:
    """The classifiers of the installed torchvision."""
    return tuple(torchvision.models.list_models(module=torchvision.models))


def require(name: str) -> None:
    """Raise `UnknownBackbone` for a name that the installed torchvision does not have."""
    if name not in names():
        near = difflib.get_close_matches(name.lower()[:SHOWN], names(), n=1, cutoff=0.5)
        hint = f" Did you mean 'torchvision:{near[0]}'?" if near else ""
        raise UnknownBackbone(
            f"torchvision {torchvision.__version__} has no classifier '{name[:SHOWN]}'.{hint} "
            "'orch models --search WORD' lists them."
        )


def make(name: str, classes: int, image_size: int) -> nn.Module:
    """The network with random values for images of this size, without auxiliary outputs.

    Inception and GoogLeNet take images normalised as for the others, as with torchvision's weights.
    """
    require(name)
    network = _build(name, num_classes=classes, **size_arguments(name, image_size))
    for child, layer in list(network.named_children()):
        if type(layer).__name__.endswith("InceptionAux"):
            setattr(network, child, None)
    for switch, value in (("aux_logits", False), ("transform_input", True)):
        if hasattr(network, switch):
            setattr(network, switch, value)
    return network


def auxiliary_of(name: str) -> tuple[str, ...]:
    """Beginnings of the names of values that are for auxiliary outputs only."""
    with torch.device("meta"):
        children = _skeleton(name).named_children()
    return tuple(
        f"{child}." for child, layer in children if type(layer).__name__.endswith("InceptionAux")
    )


@functools.cache
def size_arguments(name: str, image_size: int) -> dict[str, Any]:
    """Arguments that make the network take images of this size; none where it takes any.

    Raises `ValueError` for a size that it cannot take.
    """
    return fitting_arguments(
        lambda arguments: _build(name, **arguments),
        ({}, {"image_size": image_size}, {"input_size": (image_size, image_size)}),
        image_size,
    )


def native(name: str, weights_name: str | None = None) -> Preparation:
    """How images are prepared for torchvision's weights of a network (its default ones)."""
    require(name)
    known = torchvision.models.get_model_weights(name)
    chosen = known.DEFAULT if weights_name is None else known[weights_name]
    preset = chosen.transforms()
    size, resized = _side(preset.crop_size), _side(preset.resize_size)
    return Preparation(
        image_size=size,
        resize="crop",
        interpolation=preset.interpolation.value,
        crop=size / resized,
        mean=tuple(preset.mean),
        deviation=tuple(preset.std),
    )


def urls(name: str) -> dict[str, str]:
    """The addresses of torchvision's weights of a network by their names, the default first."""
    require(name)
    known = torchvision.models.get_model_weights(name)
    return {each.name: str(each.url) for each in (known.DEFAULT, *known)}


def adapted(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The values with the position embedding of a ViT resampled to the network's grid of patches.

    Its weights are for one grid only.
    """
    key = "encoder.pos_embedding"
    wanted = network.state_dict().get(key)
    if wanted is None or key not in state or state[key].shape == wanted.shape:
        return state
    if state[key].ndim != 3 or state[key].shape[::2] != wanted.shape[::2]:
        return state
    from torchvision.models.vision_transformer import interpolate_embeddings

    try:
        return dict(interpolate_embeddings(network.image_size, network.patch_size, dict(state)))
    except ValueError:
        return state


def _build(name: str, **arguments: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # on how GoogLeNet and Inception begin
        network: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    return network


@functools.cache
def _skeleton(name: str) -> nn.Module:
    try:
        return _build(name)
    except NotImplementedError:
        return nn.Identity()


def _side(value: Any) -> int:
    return int(value[0] if isinstance(value, (list, tuple)) else value)
