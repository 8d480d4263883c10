"""Split images into training, validation and test: stratified, seeded, machine-independent."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Image:
    """An image for the split: class, checksum of its file, checksum of its pixels."""

    label: str
    sha256: str
    pixels: str


def split(images: Sequence[Image], shares: tuple[int, int, int], seed: int) -> list[str]:
    """The split of each image. Shares are percents, met in each class by largest remainder.

    Images with equal pixels or equal files stay together. A class of three or more distinct images
    has one in every split. The result depends on the images and the seed, not on order or names.
    """
    chosen = [""] * len(images)
    classes: defaultdict[str, list[list[int]]] = defaultdict(list)
    for group in _together(images):
        classes[min(images[index].label for index in group)].append(group)
    for groups in classes.values():
        ranked = sorted(groups, key=lambda group: (-len(group), _rank(images, group, seed)))
        for group, name in zip(
            ranked, _apportion([len(group) for group in ranked], shares), strict=True
        ):
            for index in group:
                chosen[index] = name
    return chosen


def _apportion(sizes: list[int], shares: tuple[int, int, int]) -> list[str]:
    """A split for each group: the one with most capacity left, an empty one when groups run out."""
    room = _largest_remainder(sum(sizes), shares)
    empty = set(range(len(shares))) if len(sizes) >= len(shares) else set()
    places = []
    for position, size in enumerate(sizes):
        allowed = empty if len(sizes) - position <= len(empty) else range(len(shares))
        place = max(allowed, key=lambda index: (room[index], -index))
        room[place] -= size
        empty.discard(place)
        places.append(SPLITS[place])
    return places


def _largest_remainder(count: int, shares: tuple[int, int, int]) -> list[int]:
    parts = [divmod(count * share, 100) for share in shares]
    whole = [part for part, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))
    for index in by_remainder[: count - sum(whole)]:
        whole[index] += 1
    return whole


def _together(images: Sequence[Image]) -> list[list[int]]:
    """Group indices so that equal pixels and equal files are together."""
    leader = list(range(len(images)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, image in enumerate(images):
        for mark in (("pixels", image.pixels), ("file", image.sha256)):
            leader[find(index)] = find(first.setdefault(mark, index))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(images)):
        groups[find(index)].append(index)
    return list(groups.values())


def _rank(images: Sequence[Image], group: list[int], seed: int) -> bytes:
    smallest = min(images[index].sha256 for index in group)
    return hashlib.sha256(f"{seed}\0{smallest}".encode()).digest()
