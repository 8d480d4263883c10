"""Pretrained weights: where their files are, and whether they fit.

Importing this module does not import torch, so that a submission can check the files cheaply.
"""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import atomic
from jobs.catalog import backbones
from jobs.catalog.reference import parse
from jobs.errors import BadWeights, MissingWeights

if TYPE_CHECKING:
    from torch import Tensor, nn

DOWNLOADS = "https://download.pytorch.org/models"
TIMEOUT_S = 5.0
IMAGENET_CLASSES = 1000
SUFFIXES = (".pth", ".safetensors", ".pt")


def require_weights(
    names: Iterable[str], weights_dir: Path | None, *, downloads: str | None = DOWNLOADS
) -> None:
    """Check that the weights of all these backbones are on this machine, whatever they contain.

    Raises `MissingWeights` naming all that are not.
    """
    missing: list[str] = []
    for name in dict.fromkeys(names):
        file = backbones.find_backbone(name).weights_file
        if file is None or file in missing:
            continue
        try:
            find_weights(name, weights_dir, downloads=downloads)
        except MissingWeights:
            missing.append(file)
            downloads = None
    if missing:
        raise MissingWeights(_missing(missing, weights_dir))


def find_weights(name: str, weights_dir: Path | None, *, downloads: str | None = DOWNLOADS) -> Path:
    """The file of pretrained weights of a backbone: in `weights_dir`, a cache, or downloaded.

    `downloads` is the address of the folder that torchvision downloads from, None for no download.
    Raises `MissingWeights` naming the file to provide.
    """
    reference = parse(name)
    if reference.library == "timm":
        return _of_timm(reference.name, weights_dir, downloads is not None)
    if reference.library == "torchvision":
        return _of_torchvision(reference.name, weights_dir, downloads)
    backbone = backbones.find_backbone(name)
    if backbone.weights_file is None or backbone.weights_url_file is None:
        raise MissingWeights(
            f"{name} has no pretrained weights. It starts from random weights (--weights none)."
        )
    folder = [] if weights_dir is None else [weights_dir / backbone.weights_file]
    return _first_of(
        folder, backbone.weights_url_file, backbone.weights_file, weights_dir, downloads
    )


def _first_of(
    candidates: list[Path],
    url_file: str,
    wanted: str,
    weights_dir: Path | None,
    downloads: str | None,
) -> Path:
    """The first of these files, else torchvision's download, from its cache if it is there."""
    cached = torch_cache() / url_file
    for candidate in (*candidates, cached):
        if os.path.isfile(candidate):
            return candidate
    try:
        if downloads is None:
            raise FileNotFoundError("no download was tried")
        fetch(f"{downloads}/{url_file}", cached)
    except (OSError, ValueError) as error:
        raise MissingWeights(_missing([wanted], weights_dir)) from error
    return cached


def _of_torchvision(name: str, weights_dir: Path | None, downloads: str | None) -> Path:
    from models.networks import torchvision_networks

    url = next(iter(torchvision_networks.urls(name).values()))
    candidates = []
    if weights_dir is not None:
        candidates = [weights_dir / "torchvision" / f"{name}{suffix}" for suffix in SUFFIXES]
        candidates.append(weights_dir / f"{name}.pth")
    return _first_of(
        candidates, url.rpartition("/")[2], f"torchvision/{name}.pth", weights_dir, downloads
    )


def _of_timm(name: str, weights_dir: Path | None, download: bool) -> Path:
    from models.networks import timm_networks

    if weights_dir is not None:
        for file in timm_networks.file_names(name):
            for suffix in SUFFIXES:
                if os.path.isfile(path := weights_dir / "timm" / f"{file}{suffix}"):
                    return path
    if (cached := timm_networks.cached(name)) is not None:
        return cached
    if not timm_networks.has_weights(name):
        raise MissingWeights(
            f"timm has no pretrained weights of {name}. Start from random ones (--weights none), "
            "or name a file of your own (weights: FILE, in a specification)."
        )
    try:
        if not download:
            raise FileNotFoundError("no download was tried")
        return timm_networks.downloaded(name)
    except (ImportError, MemoryError):  # of this environment
        raise
    except Exception as error:  # the hub's client raises many kinds
        raise MissingWeights(_missing([f"timm/{name}.pth"], weights_dir)) from error


def fetch(url: str, target: Path) -> None:
    """Download a file.

    Raises `ValueError` unless it has the hash in its name (`vgg16-397923af.pth`).
    """
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,
        atomic.atomic_write(target) as draft,
    ):
        with draft.open("wb") as handle:
            shutil.copyfileobj(answer, handle, 1 << 20)
        prefix = target.stem.rsplit("-", 1)[1]
        if not atomic.file_digest(draft).startswith(prefix):
            raise ValueError(f"{url} does not match the checksum in its name")


def torch_cache() -> Path:
    """The download cache of torchvision."""
    home = (
        os.environ.get("TORCH_HOME")
        or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    )
    return Path(home).expanduser() / "hub" / "checkpoints"


def read_weights(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """The state dict of a file in float32, checked against `network`; raises `BadWeights`."""
    from models.networks.state import first_mismatch, read_state

    state = read_state(path)
    mismatch = first_mismatch(state, network.state_dict())
    if mismatch:
        raise BadWeights(
            f"{path} does not fit the network that it is named after: {mismatch}. Replace the file."
        )
    return state


def _missing(missing: list[str], weights_dir: Path | None) -> str:
    """The files to provide, and where."""
    where = (
        f"the folder {weights_dir} (ORCH_WEIGHTS_DIR)"
        if weights_dir
        else "a folder and set ORCH_WEIGHTS_DIR to it"
    )
    kind = "timm's" if missing[0].startswith("timm/") else "torchvision's"
    return (
        "ImageNet weights are missing and could not be downloaded. Put "
        f"{', '.join(missing)} ({kind} state dicts) into {where}, or use random weights "
        "with --weights none."
    )
