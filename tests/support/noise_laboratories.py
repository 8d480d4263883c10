"""Laboratories on a small data set of noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.learning import Laboratory


def noise_laboratories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    """A function that makes a new laboratory at each call, with a prepared data set of noise."""
    import numpy as np
    from PIL import Image

    images = tmp_path_factory.mktemp("data") / "noise"
    rng = np.random.default_rng(1)
    for label in "abc":
        (images / label).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(
                images / label / f"{number}.png"
            )

    def make() -> Laboratory:
        laboratory = Laboratory.of(tmp_path_factory.mktemp("store"), images, image_size=32)
        laboratory.prepare()
        return laboratory

    return make
