"""Classes of a data set that are ImageNet's own, by name or WordNet number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

NAMES = Path(__file__).with_name("imagenet_classes.txt")
"""The 1,000 classes that ImageNet weights were trained on, named as torchvision names them."""
WORDNET = re.compile(r"n\d{8}")


def imagenets_own(classes: Iterable[str]) -> list[str]:
    """The classes that carry the name or the WordNet number of a class of ImageNet."""
    return [name for name in classes if WORDNET.match(name) or _plain(name) in _names()]


@cache
def _names() -> frozenset[str]:
    return frozenset(map(_plain, NAMES.read_text(encoding="utf-8").splitlines()))


def _plain(name: str) -> str:
    """Small letters, with a blank for whatever else stands between words."""
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))
