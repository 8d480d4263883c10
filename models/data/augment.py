"""Augmentation of training images with stateless random numbers.

What happens to an image in an epoch does not depend on how batches are cut or training is resumed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jobs.spec.fields import Augment
from models.data.device_transfer import sent
from models.runtime.rng import derive_seed

Words = npt.NDArray[np.uint64]
Change = Callable[[Tensor, npt.NDArray[np.int64]], Tensor]
MARGIN = 1 / 8
"""Maximum shift of a crop as a share of the side; the uncovered part is mirrored."""


def changes(kind: Augment, count: int, seed: int, epoch: int) -> Change:
    """A function that augments images (n, s, s, 3), uint8, given their indices in the data set.

    `flip` mirrors half of the images horizontally. `crop-flip` also shifts each by up to an eighth
    of its side in both directions. The draws for an image come from (seed, epoch, index) alone.
    """
    if kind == "none":
        return lambda images, places: images
    # As in `rng.permutation`: raw words of a Philox generator, stable across NumPy versions.
    words = (
        np.random.Philox(key=derive_seed("augment", seed, epoch))
        .random_raw(3 * count)
        .reshape(count, 3)
    )
    return lambda images, places: _changed(images, words[places], kind == "crop-flip")


def _changed(images: Tensor, words: Words, crop: bool) -> Tensor:
    """Gather the pixels of all images from their sources at once."""
    side = images.shape[1]
    flip, most = words[:, 0] >> np.uint64(63) == 1, round(side * MARGIN) if crop else 0
    rows, columns = (_below(words[:, each], 2 * most + 1) - most for each in (1, 2))
    across = np.arange(side)[None, :].repeat(len(words), 0)
    across[flip] = across[flip][:, ::-1]
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
