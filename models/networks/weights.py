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
from jobs.errors import BadWeights, MissingWeights

if TYPE_CHECKING:
    from torch import Tensor, nn

DOWNLOADS = "https://download.pytorch.org/models"
TIMEOUT_S = 5.0
IMAGENET_CLASSES = 1000
OPTIONAL = "num_batches_tracked"


def require_weights(
    names: Iterable[str], weights_dir: Path | None, *, downloads: str | None = DOWNLOADS
) -> None:
    """Check that the weights of all these backbones are on this machine.

    Raises `MissingWeights` naming all that are not. A file that cannot be what its name says is
    reported by itself.
    """
    missing: list[str] = []
    for name in dict.fromkeys(names):
        file = backbones.find_backbone(name).weights_file
        if file is None or file in missing:
            continue
        try:
            path = find_weights(name, weights_dir, downloads=downloads)
        except MissingWeights:
            missing.append(file)
            downloads = None
        else:
            _require_sound(name, path)
    if missing:
        raise MissingWeights(_missing(missing, weights_dir))


def unsound(name: str, path: Path) -> str | None:
    """Why a file cannot hold ImageNet weights of a backbone, seen in milliseconds; or None."""
    from models.networks import state_file

    counts = backbones.find_backbone(name).counts
    if counts is None or counts.pretrained is None:
        return None  # found when training begins
    return state_file.problem(path, counts.pretrained)


def _require_sound(name: str, path: Path) -> None:
    reason = unsound(name, path)
    if reason is not None:
        raise MissingWeights(
            f"{path} is not a file of ImageNet weights for {name}: {reason}. Replace it, remove it "
            "to download the weights, or use random weights with --weights none."
        )


def find_weights(name: str, weights_dir: Path | None, *, downloads: str | None = DOWNLOADS) -> Path:
    """The file of ImageNet weights of a backbone: in `weights_dir`, torch's cache, or downloaded.

    `downloads` is the address of the folder to download from, None for no download. Raises
    `MissingWeights` naming the file to provide.
    """
    backbone = backbones.find_backbone(name)
    if backbone.weights_file is None or backbone.weights_url_file is None:
        raise MissingWeights(
            f"{name} has no pretrained weights. It starts from random weights (--weights none)."
        )
    cached = torch_cache() / backbone.weights_url_file
    candidates = [cached] if weights_dir is None else [weights_dir / backbone.weights_file, cached]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return candidate
    try:
        if downloads is None:
            raise FileNotFoundError("no download was tried")
        fetch(f"{downloads}/{backbone.weights_url_file}", cached)
    except (OSError, ValueError) as error:
        raise MissingWeights(_missing([backbone.weights_file], weights_dir)) from error
    return cached


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
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load may raise anything
        reason = " ".join(str(error).split())[:160]
        raise BadWeights(
            f"{path} is not a weights file that torch can read: {reason} Replace the file."
        ) from error
    if not isinstance(found, dict) or not all(
        isinstance(value, torch.Tensor) for value in found.values()
    ):
        raise BadWeights(
            f"{path} is not a plain state dict (names and tensors). Save 'network.state_dict()' "
            f"there."
        )
    mismatch = first_mismatch(found, network.state_dict())
    if mismatch:
        raise BadWeights(
            f"{path} does not fit the network that it is named after: {mismatch}. Replace the file."
        )
    return {
        name: value.float() if value.is_floating_point() else value for name, value in found.items()
    }


def first_mismatch(
    found: dict[str, Tensor], expected: dict[str, Tensor], finite: bool = True
) -> str | None:
    """The first difference of a state dict from the expected one in names, shapes or dtypes.

    With `finite`, values must be finite.
    """
    for name, value in expected.items():
        if name not in found:
            if name.endswith(OPTIONAL):
                continue
            return f"it lacks '{name}'"
        if found[name].shape != value.shape:
            return f"'{name}' has shape {list(found[name].shape)} instead of {list(value.shape)}"
        if found[name].is_floating_point() != value.is_floating_point():
            return f"'{name}' has type {found[name].dtype} instead of {value.dtype}"
        if found[name].layout != value.layout or found[name].is_meta:
            return f"'{name}' is not a plain tensor"
    extra = next((name for name in found if name not in expected), None)
    if extra is not None:
        return f"it has '{extra}', which the network does not have"
    broken = next(
        (name for name, value in found.items() if finite and not value.isfinite().all()), None
    )
    return None if broken is None else f"'{broken}' has values that are not finite"


def _missing(missing: list[str], weights_dir: Path | None) -> str:
    """The files to provide, and where."""
    where = (
        f"the folder {weights_dir} (ORCH_WEIGHTS_DIR)"
        if weights_dir
        else "a folder and set ORCH_WEIGHTS_DIR to it"
    )
    return (
        "ImageNet weights are missing and could not be downloaded. Put "
        f"{', '.join(missing)} (torchvision's state dicts) into {where}, or use random weights "
        "with --weights none."
    )
