"""Networks of timm: their names, heads, image sizes, and what their weights ask for."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.util
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from jobs import install_hints
from jobs.errors import BadSpec, MissingExtra, UnknownBackbone
from jobs.spec.networks import Preparation, Resize
from models.networks.size_arguments import fitting_arguments

SHOWN = 80
RESIZE: dict[str, Resize] = {"center": "crop", "squash": "squash", "border": "pad"}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def require_extra() -> None:
    """Raise `MissingExtra` if timm is not installed."""
    if importlib.util.find_spec("timm") is None:
        raise MissingExtra(
            f"networks of timm need timm. Install it with: {install_hints.install_command('timm')}"
        )


def require(name: str) -> None:
    """Raise `UnknownBackbone` for a name, or a tag of weights, that timm does not have."""
    require_extra()
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(name.lower()[:SHOWN], timm.list_models(), n=1, cutoff=0.5)
        hint = f" Did you mean 'timm:{near[0]}'?" if near else ""
        raise UnknownBackbone(
            f"timm {timm.__version__} has no network '{name[:SHOWN]}'.{hint} "
            "'orch models --search WORD' lists them."
        )
    tags = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tags:
        near = difflib.get_close_matches(name.lower()[:SHOWN], tags, n=1, cutoff=0.5)
        hint = f" Did you mean 'timm:{near[0]}'?" if near else ""
        raise UnknownBackbone(
            f"timm {timm.__version__} has no weights '{tag[:SHOWN]}' of {architecture}.{hint} "
            f"Known: {', '.join(tags)[:400] or 'none'}."
        )


def description(name: str) -> dict[str, Any]:
    """What timm says of the weights of a network: sizes, colours, licence, where they are."""
    require(name)
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name, allow_unregistered=True)
    return {} if config is None else dataclasses.asdict(config)


def make(name: str, classes: int, image_size: int) -> nn.Module:
    """The network with random values, for images of this size."""
    import timm

    require(name)
    arguments = size_arguments(name, image_size)
    network: nn.Module = timm.create_model(name, num_classes=classes, **arguments)
    return network


@functools.cache
def size_arguments(name: str, image_size: int) -> dict[str, Any]:
    """Arguments that make the network take images of this size; none where it takes any.

    Raises `ValueError` for a size that it cannot take.
    """
    import timm

    return fitting_arguments(
        lambda arguments: timm.create_model(name, **arguments),
        ({}, {"img_size": image_size}),
        image_size,
    )


def native(name: str) -> Preparation:
    """How images are prepared for the weights of a network."""
    return preparation_of(description(name), f"timm:{name}")


def preparation_of(described: dict[str, Any], name: str) -> Preparation:
    """The preparation in a description such as timm's; raises `BadSpec` where it cannot be done."""
    channels, height, width = described.get("input_size", (3, 224, 224))
    if channels != 3 or height != width:
        raise BadSpec(
            f"{name} takes images of {height} x {width} with {channels} channel(s); orch gives "
            "squares of three colours."
        )
    crop = described.get("crop_pct", 0.875)
    if not 0.1 < crop <= 1:
        raise BadSpec(
            f"{name} wants images with a border around them (crop_pct {crop}), which orch does not "
            f"do. Give the whole preparation: {', '.join(Preparation.model_fields)}."
        )
    interpolation = described.get("interpolation", "bicubic")
    return Preparation(
        image_size=height,
        resize=RESIZE.get(described.get("crop_mode") or "center", "crop"),
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bilinear",
        crop=crop,
        mean=tuple(described.get("mean", (0.485, 0.456, 0.406))),
        deviation=tuple(described.get("std", (0.229, 0.224, 0.225))),
    )


def adapted(
    name: str, image_size: int, state: dict[str, Tensor], head: frozenset[str]
) -> dict[str, Tensor]:
    """The values as timm itself loads them: converted, and resampled for the image size.

    The head is left out. Raises `RuntimeError` where timm refuses them.
    """
    import timm

    overlay: dict[str, Any] = {"state_dict": dict(state), "custom_load": False}
    arguments = dict(size_arguments(name, image_size))
    classes = {len(state[key]) for key in head if key in state}
    if len(classes) == 1:  # the file's own; timm is strict only if they are those it expects
        overlay["num_classes"] = arguments["num_classes"] = classes.pop()
    loaded = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    return {key: value for key, value in loaded.state_dict().items() if key not in head}


def file_names(name: str) -> list[str]:
    """Names under which a folder may hold the weights: as given, and with the default tag.

    A name without a tag means the default weights, so both spellings are the same.
    """
    architecture, _, tag = name.partition(".")
    default = str(description(architecture).get("tag") or "")
    if not tag:
        return [name, f"{name}.{default}"] if default else [name]
    return [name, architecture] if tag == default else [name]


def cached(name: str) -> Path | None:
    """The weights in the cache of the hub that timm loads from, or in torch's; None if absent."""
    described = description(name)
    repository = described.get("hf_hub_id")
    if repository:
        from huggingface_hub import try_to_load_from_cache

        wanted = described.get("hf_hub_filename")
        for file in (wanted,) if wanted else HUB_FILES:
            weights_file = try_to_load_from_cache(repository, file)
            if isinstance(weights_file, str):
                return Path(weights_file)
    url = described.get("url")
    if isinstance(url, str) and url:
        from models.networks.weights import torch_cache

        path = torch_cache() / url.rpartition("/")[2]
        return path if path.is_file() else None
    return None


def downloaded(name: str) -> Path:
    """The weights, downloaded into the cache of timm's hub; raises what the hub raises."""
    from huggingface_hub import hf_hub_download

    described = description(name)
    repository = described.get("hf_hub_id")
    if not repository:
        raise FileNotFoundError(f"timm names no weights of {name}")
    wanted = described.get("hf_hub_filename") or HUB_FILES[0]
    return Path(hf_hub_download(repository, wanted))


def has_weights(name: str) -> bool:
    """Whether timm knows pretrained weights of a network."""
    described = description(name)
    return bool(described.get("hf_hub_id") or described.get("url"))
