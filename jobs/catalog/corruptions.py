"""The registry of image corruptions that an evaluation can apply, and their severities."""

from __future__ import annotations

from typing import Any, NamedTuple

from jobs.catalog.suggest import unknown

SEVERITIES = (1, 2, 3, 4, 5)


class Corruption(NamedTuple):
    """One corruption.

    `strengths` are its parameter at each of `SEVERITIES`. `apply` is the function that corrupts a
    batch of images, as `module:function` (see `models.data.corruptions.Corrupt`). Its name is part
    of task ids: lower-case letters only.
    """

    name: str
    help: str
    strengths: tuple[float, ...]
    apply: str


CORRUPTIONS: dict[str, Corruption] = {
    entry.name: entry
    for entry in (
        Corruption(
            "blur",
            "Gaussian blur; sigma in pixels of an image of 224 px",
            (1.0, 2.0, 3.0, 4.0, 6.0),
            "models.data.corruptions:blur",
        ),
        Corruption(
            "noise",
            "Gaussian noise; sigma as a share of white",
            (0.08, 0.12, 0.18, 0.26, 0.38),
            "models.data.corruptions:noise",
        ),
        Corruption(
            "rotation",
            "rotation to the left or right, in degrees",
            (5.0, 10.0, 20.0, 30.0, 45.0),
            "models.data.corruptions:rotation",
        ),
        Corruption(
            "jpeg",
            "JPEG compression; quality",
            (25, 18, 15, 10, 7),
            "models.data.corruptions:jpeg",
        ),
        Corruption(
            "brightness",
            "overexposure; factor of brightness",
            (1.3, 1.6, 1.9, 2.2, 2.5),
            "models.data.corruptions:brightness",
        ),
        Corruption(
            "contrast",
            "low contrast; factor of contrast",
            (0.4, 0.3, 0.2, 0.1, 0.05),
            "models.data.corruptions:contrast",
        ),
        Corruption(
            "occlusion",
            "a square of one colour; its share of the image",
            (0.05, 0.1, 0.2, 0.3, 0.4),
            "models.data.corruptions:occlusion",
        ),
    )
}
"""Blur, noise, JPEG and contrast have the strengths of ImageNet-C (Hendrycks and Dietterich 2019,
ICLR, arXiv:1903.12261). Blur sigmas scale with the root of the side, so that small images are
blurred at all.
"""


def level_name(corruption: str, severity: int) -> str:
    """The corruption level as written in a task id, such as `blur-3`."""
    return f"{corruption}-{severity}"


def parse_level(word: str) -> tuple[str, int]:
    """Split a level such as `blur-3` into corruption and severity; raises `ValueError`."""
    name, _, severity = word.partition("-")
    if name not in CORRUPTIONS or severity not in map(str, SEVERITIES):
        raise ValueError(f"{word!r} is not a corruption with a severity, such as 'blur-3'")
    return name, int(severity)


def parse_choice(value: Any) -> tuple[str, ...]:
    """Parse a choice of corruptions: `all`, `none`, a list, or comma-separated names.

    Returns each corruption once, in catalog order. Raises `ValueError` for an unknown name,
    suggesting the closest match.
    """
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)):
        raise ValueError("a list of corruptions, or 'all', is needed")
    if list(words) in (["all"], ["none"]):
        return tuple(CORRUPTIONS) if words[0] == "all" else ()
    for word in words:
        if not isinstance(word, str) or word not in CORRUPTIONS:
            raise ValueError(unknown("corruption", word, CORRUPTIONS))
    return tuple(name for name in CORRUPTIONS if name in words)
