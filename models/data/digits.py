"""The built-in data set: 1,797 real images of 8 x 8 pixels from scikit-learn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from models.data.decode import Pixels


def images() -> Iterator[tuple[str, str, str, Pixels]]:
    """Path, label, checksum and pixels (8, 8, 3) of each digit, class by class."""
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = np.rint(found.images * (255 / 16)).astype(np.uint8)
    for index in np.argsort(found.target, kind="stable"):
        label = str(found.target[index])
        original = np.ascontiguousarray(grey[index])
        yield (
            f"{label}/{index:04d}",
            label,
            hashlib.sha256(original.tobytes()).hexdigest(),
            np.repeat(original[:, :, None], 3, axis=2),
        )
