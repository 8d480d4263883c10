"""Augmentation of training images with stateless random numbers.

What happens to an image in an epoch does not depend on how batches are cut or training is resumed.
Each augmentation is an entry of `jobs/catalog/augmentations.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms import v2

from jobs.catalog.augmentations import AUGMENTATIONS
from models.data.device_transfer import sent
from models.runtime.rng import derive_seed

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Change = Callable[[Tensor, Places], Tensor]
"""Changes images (n, s, s, 3), uint8, given their indices in the data set."""
MARGIN = 1 / 8
"""Maximum shift of a crop as a share of the side; the uncovered part is mirrored."""


class Draws(NamedTuple):
    """What the random numbers of an epoch are derived from, and the size that a network gets.

    `images` is the number of images in the data set, `side` the side of results in pixels.
    """

    images: int
    seed: int
    epoch: int
    side: int

    @property
    def words(self) -> Words:
        """Three random words for each image of the data set."""
        # As in `rng.permutation`: raw words of a Philox generator, stable across NumPy versions.
        generator = np.random.Philox(key=derive_seed("augment", self.seed, self.epoch))
        return generator.random_raw(3 * self.images).reshape(self.images, 3)

    def seed_of(self, place: int) -> int:
        """The seed of one image in this epoch."""
        return derive_seed("augment", self.seed, self.epoch, place)


def changes(kind: str, draws: Draws) -> Change:
    """The function of an augmentation; what it does to an image follows from (seed, epoch, index).

    It gets images (n, s, s, 3), uint8, and their indices in the data set.
    """
    made: Change = resolve_name(AUGMENTATIONS[kind].make)(draws)
    return made


def unchanged(draws: Draws) -> Change:
    """Images as they are."""
    return lambda images, places: images


def flip(draws: Draws) -> Change:
    """Mirror half of the images horizontally."""
    words = draws.words
    return lambda images, places: _shifted(images, words[places], crop=False)


def crop_flip(draws: Draws) -> Change:
    """Also shift each image by up to an eighth of its side in both directions."""
    words = draws.words
    return lambda images, places: _shifted(images, words[places], crop=True)


def random_resized_crop(draws: Draws) -> Change:
    """torchvision's random resized crop with its default settings; half are mirrored."""
    return _random_parts(draws, least=0.08)


def random_resized_crop_35(draws: Draws) -> Change:
    """The same with at least 35% of the area."""
    return _random_parts(draws, least=0.35)


def randaugment(draws: Draws) -> Change:
    """torchvision's RandAugment with its default settings, after mirroring half of the images."""
    return each_image(v2.Compose([v2.RandomHorizontalFlip(), v2.RandAugment()]), draws)


def each_image(transform: Callable[[Tensor], Tensor], draws: Draws) -> Change:
    """Apply a transform of torchvision to each image (3, s, s), uint8, with its own seed.

    The transform draws from torch's default generator, which every step seeds anew afterwards.
    """

    def changed(images: Tensor, places: Places) -> Tensor:
        results = []
        for image, place in zip(images.permute(0, 3, 1, 2), places.tolist(), strict=True):
            torch.default_generator.manual_seed(draws.seed_of(place))
            results.append(transform(image))
        return torch.stack([result.permute(1, 2, 0) for result in results]).contiguous()

    return changed


def _random_parts(draws: Draws, least: float) -> Change:
    crop = v2.RandomResizedCrop(draws.side, scale=(least, 1.0), antialias=True)
    return each_image(v2.Compose([crop, v2.RandomHorizontalFlip()]), draws)


def centred(images: Tensor, side: int) -> Tensor:
    """The centre (n, side, side, 3) of images that are stored with a margin."""
    margin = (images.shape[1] - side) // 2
    if margin == 0:
        return images
    return images[:, margin : margin + side, margin : margin + side].contiguous()


def _shifted(images: Tensor, words: Words, crop: bool) -> Tensor:
    """Gather the pixels of all images from their sources at once."""
    side = images.shape[1]
    mirror, most = words[:, 0] >> np.uint64(63) == 1, round(side * MARGIN) if crop else 0
    rows, columns = (_below(words[:, each], 2 * most + 1) - most for each in (1, 2))
    across = np.arange(side)[None, :].repeat(len(words), 0)
    across[mirror] = across[mirror][:, ::-1]
    down = sent(_mirrored(np.arange(side)[None, :] + rows[:, None], side), images.device)
    right = sent(_mirrored(across + columns[:, None], side), images.device)
    number = torch.arange(len(images), device=images.device)
    return images[number[:, None, None], down[:, :, None], right[:, None, :]]


def _below(words: Words, count: int) -> npt.NDArray[np.int64]:
    """Each word as a number from 0 to below `count`, by its upper 32 bits."""
    return ((words >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def _mirrored(places: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.int64]:
    """Coordinates outside an image, mirrored at its edge."""
    last = side - 1
    inside: npt.NDArray[np.int64] = last - np.abs(last - np.abs(places))
    return inside
