"""Corruptions of test images, the same for every network.

The draws for an image come from (corruption, severity, its index in the data set) alone. Names and
strengths are in `jobs/catalog/corruptions.py`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pkgutil import resolve_name

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional

from jobs.catalog.corruptions import CORRUPTIONS
from models.data.augment import Change
from models.data.batches import Indices
from models.runtime.rng import derive_seed

REFERENCE_SIDE = 224
MEAN_COLOUR = (124, 116, 104)

Corrupt = Callable[[Tensor, float, list[torch.Generator]], Tensor]
"""Corrupts images (n, 3, s, s), uint8, with a strength and a generator for each image."""


def corrupter(corruption: str, severity: int) -> Change:
    """Return a function that corrupts images (n, s, s, 3), uint8, given their indices."""
    if corruption == "none":
        return lambda images, places: images
    entry = CORRUPTIONS[corruption]
    corrupt: Corrupt = resolve_name(entry.apply)
    strength = entry.strengths[severity - 1]

    def change(images: Tensor, places: Indices) -> Tensor:
        rng = [
            torch.Generator().manual_seed(
                derive_seed("corruption", corruption, severity, int(place))
            )
            for place in places
        ]
        changed = corrupt(images.permute(0, 3, 1, 2).contiguous(), strength, rng)
        return changed.permute(0, 2, 3, 1).contiguous()

    return change


def blur(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """Gaussian blur, horizontal then vertical: separable, so equal and faster."""
    side = images.shape[-1]
    sigma = strength * math.sqrt(side / REFERENCE_SIDE)
    reach = min(max(1, math.ceil(3 * sigma)), side - 1)
    width = 2 * reach + 1
    across = functional.gaussian_blur(images.float(), [width, 1], [sigma, sigma])
    both: Tensor = functional.gaussian_blur(across, [1, width], [sigma, sigma])
    return both.round_().clamp_(0, 255).to(torch.uint8)


def noise(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """Gaussian noise, different for each image."""
    drawn = torch.stack([torch.randn(images.shape[1:], generator=die) for die in rng]).to(
        images.device
    )
    return (images + 255 * strength * drawn).round_().clamp_(0, 255).to(torch.uint8)


def rotation(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """Rotation to the left or right, corners filled with the mean colour."""
    left = torch.tensor([_share(die) < 0.5 for die in rng], device=images.device)[
        :, None, None, None
    ]
    one, other = (
        functional.rotate(
            images,
            sign * strength,
            interpolation=InterpolationMode.BILINEAR,
            fill=[float(value) for value in MEAN_COLOUR],
        )
        for sign in (1, -1)
    )
    return torch.where(left, one, other)


def jpeg(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """JPEG compression."""
    read = []
    for image in images.permute(0, 2, 3, 1).cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=int(strength))
        read.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).to(images.device)


def brightness(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """Overexposure."""
    brighter: Tensor = functional.adjust_brightness(images, strength)
    return brighter


def contrast(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """Blend with the image's mean grey."""
    paler: Tensor = functional.adjust_contrast(images, strength)
    return paler


def occlusion(images: Tensor, strength: float, rng: list[torch.Generator]) -> Tensor:
    """Cover a square of the image with the mean colour."""
    images, side = images.clone(), images.shape[-1]
    covered = max(1, round(side * math.sqrt(strength)))
    colour = torch.tensor(MEAN_COLOUR, dtype=torch.uint8, device=images.device)[:, None, None]
    for image, die in zip(images, rng, strict=True):
        top, left = (int(_share(die) * (side - covered + 1)) for _ in range(2))
        functional.erase(image, top, left, covered, covered, colour, inplace=True)
    return images


def _share(die: torch.Generator) -> float:
    return float(torch.rand((), generator=die))
