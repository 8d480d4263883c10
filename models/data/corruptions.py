"""Corruptions of test images, the same for every network.

The draws for an image come from (corruption, severity, its index in the data set) alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional

from models.data.augment import Change
from models.data.batches import Indices
from models.runtime.rng import derive_seed

REFERENCE_SIDE = 224
MEAN_COLOUR = (124, 116, 104)
BLUR_SIGMA = (1.0, 2.0, 3.0, 4.0, 6.0)
NOISE_SIGMA = (0.08, 0.12, 0.18, 0.26, 0.38)
ROTATION_DEGREES = (5.0, 10.0, 20.0, 30.0, 45.0)
JPEG_QUALITY = (25, 18, 15, 10, 7)
BRIGHTNESS_FACTOR = (1.3, 1.6, 1.9, 2.2, 2.5)
CONTRAST_FACTOR = (0.4, 0.3, 0.2, 0.1, 0.05)
OCCLUDED_SHARE = (0.05, 0.1, 0.2, 0.3, 0.4)
"""Parameters by severity, 1 to 5.

Blur, noise, JPEG and contrast are those of ImageNet-C (Hendrycks and Dietterich 2019, ICLR,
arXiv:1903.12261). Blur sigmas are in pixels of an image of 224 px and scale with the root of the
side, so that small images are blurred at all. Noise sigmas are shares of white.
"""

Corrupt = Callable[[Tensor, int, list[torch.Generator]], Tensor]


def corrupter(corruption: str, severity: int) -> Change:
    """Return a function that corrupts images (n, s, s, 3), uint8, given their indices."""
    if corruption == "none":
        return lambda images, places: images
    corrupt = CORRUPT[corruption]

    def change(images: Tensor, places: Indices) -> Tensor:
        rng = [
            torch.Generator().manual_seed(
                derive_seed("corruption", corruption, severity, int(place))
            )
            for place in places
        ]
        changed = corrupt(images.permute(0, 3, 1, 2).contiguous(), severity - 1, rng)
        return changed.permute(0, 2, 3, 1).contiguous()

    return change


def _blur(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """Gaussian blur, horizontal then vertical: separable, so equal and faster."""
    side = images.shape[-1]
    sigma = BLUR_SIGMA[level] * math.sqrt(side / REFERENCE_SIDE)
    reach = min(max(1, math.ceil(3 * sigma)), side - 1)
    width = 2 * reach + 1
    across = functional.gaussian_blur(images.float(), [width, 1], [sigma, sigma])
    both: Tensor = functional.gaussian_blur(across, [1, width], [sigma, sigma])
    return both.round_().clamp_(0, 255).to(torch.uint8)


def _noise(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """Gaussian noise, different for each image."""
    noise = torch.stack([torch.randn(images.shape[1:], generator=die) for die in rng]).to(
        images.device
    )
    return (images + 255 * NOISE_SIGMA[level] * noise).round_().clamp_(0, 255).to(torch.uint8)


def _rotation(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """Rotation to the left or right, corners filled with the mean colour."""
    left = torch.tensor([_share(die) < 0.5 for die in rng], device=images.device)[
        :, None, None, None
    ]
    one, other = (
        functional.rotate(
            images,
            sign * ROTATION_DEGREES[level],
            interpolation=InterpolationMode.BILINEAR,
            fill=[float(value) for value in MEAN_COLOUR],
        )
        for sign in (1, -1)
    )
    return torch.where(left, one, other)


def _jpeg(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """JPEG compression."""
    read = []
    for image in images.permute(0, 2, 3, 1).cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY[level])
        read.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).to(images.device)


def _brightness(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """Overexposure."""
    brighter: Tensor = functional.adjust_brightness(images, BRIGHTNESS_FACTOR[level])
    return brighter


def _contrast(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """Blend with the image's mean grey."""
    paler: Tensor = functional.adjust_contrast(images, CONTRAST_FACTOR[level])
    return paler


def _occlusion(images: Tensor, level: int, rng: list[torch.Generator]) -> Tensor:
    """Cover a square of the image with the mean colour."""
    images, side = images.clone(), images.shape[-1]
    covered = max(1, round(side * math.sqrt(OCCLUDED_SHARE[level])))
    colour = torch.tensor(MEAN_COLOUR, dtype=torch.uint8, device=images.device)[:, None, None]
    for image, die in zip(images, rng, strict=True):
        top, left = (int(_share(die) * (side - covered + 1)) for _ in range(2))
        functional.erase(image, top, left, covered, covered, colour, inplace=True)
    return images


def _share(die: torch.Generator) -> float:
    return float(torch.rand((), generator=die))


CORRUPT: dict[str, Corrupt] = {
    "blur": _blur,
    "noise": _noise,
    "rotation": _rotation,
    "jpeg": _jpeg,
    "brightness": _brightness,
    "contrast": _contrast,
    "occlusion": _occlusion,
}
