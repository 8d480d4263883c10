"""The registry of built-in data sets: images that come with an installed package."""

from __future__ import annotations

from typing import Literal, NamedTuple

Weights = Literal["imagenet", "none"]


class BuiltInData(NamedTuple):
    """One built-in data set. Its name determines its contents.

    `image_size` (pixels) and `weights` are the defaults of a specification on it. `load` is the
    function that yields path, class, SHA-256 and pixels (height, width, 3) of its `images` images,
    as `module:function`.
    """

    name: str
    help: str
    classes: tuple[str, ...]
    images: int
    load: str
    image_size: int = 224
    weights: Weights = "imagenet"


BUILT_IN_DATA: dict[str, BuiltInData] = {
    entry.name: entry
    for entry in (
        BuiltInData(
            name="digits",
            help="handwritten digits of 8 x 8 pixels, from scikit-learn",
            classes=tuple(str(digit) for digit in range(10)),
            images=1797,
            load="models.data.digits:images",
            image_size=64,
            weights="none",
        ),
        BuiltInData(
            name="digits-800",
            help="80 of each of these digits",
            classes=tuple(str(digit) for digit in range(10)),
            images=800,
            load="models.data.digits:few",
            image_size=64,
            weights="none",
        ),
    )
}

DEFAULT = "digits"
"""The data of a specification that names none."""
