"""The registry of augmentations: how training images are changed at random."""

from __future__ import annotations

from typing import NamedTuple


class Augmentation(NamedTuple):
    """One augmentation of training images.

    `make` names its function, as `module:function`. It gets `models.data.augment.Draws` and returns
    a function that changes a batch. `told` is what a report says. With `margin` the images of the
    data set are stored with what lies around the centre, so that crops reach it.
    """

    name: str
    help: str
    told: str
    make: str
    margin: bool = False


AUGMENTATIONS: dict[str, Augmentation] = {
    entry.name: entry
    for entry in (
        Augmentation("none", "images stay as they are", "none", "models.data.augment:unchanged"),
        Augmentation(
            "flip",
            "half of the images are mirrored horizontally",
            "mirrored at random",
            "models.data.augment:flip",
        ),
        Augmentation(
            "crop-flip",
            "they are also shifted by up to an eighth of their width and height; the gap is filled "
            "by reflection",
            "shifted and mirrored at random",
            "models.data.augment:crop_flip",
        ),
        Augmentation(
            "random-resized-crop",
            "a random part of 8% to 100% of the area, its sides at most 3:4 or 4:3, is resized to "
            "the image size; half are mirrored",
            "random parts, resized and mirrored (8% to 100% of the area)",
            "models.data.augment:random_resized_crop",
            margin=True,
        ),
        Augmentation(
            "random-resized-crop-35",
            "the same with 35% to 100% of the area",
            "random parts, resized and mirrored (35% to 100% of the area)",
            "models.data.augment:random_resized_crop_35",
            margin=True,
        ),
        Augmentation(
            "randaugment",
            "half are mirrored, then two random operations of RandAugment at strength 9 of 30",
            "mirrored, then two operations of RandAugment (strength 9 of 30)",
            "models.data.augment:randaugment",
        ),
    )
}

DEFAULT = "none"
