"""The built-in data sets: 1,797 real images of 8 x 8 pixels from scikit-learn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import groupby, islice

import numpy as np

from models.data.decode import Pixels


def images() -> Iterator[tuple[str, str, str, Pixels]]:
    """Path, label, checksum and pixels (8, 8, 3) of each digit, class by class."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for index in np.argsort(digits.target, kind="stable"):
        label = str(digits.target[index])
        original = np.ascontiguousarray(grey[index])
        yield (
            f"{label}/{index:04d}",
            label,
            hashlib.sha256(original.tobytes()).hexdigest(),
            np.repeat(original[:, :, None], 3, axis=2),
        )


def few() -> Iterator[tuple[str, str, str, Pixels]]:
    """The first 80 of each digit."""
    for _, of_a_class in groupby(images(), key=lambda image: image[1]):
        yield from islice(of_a_class, 80)
