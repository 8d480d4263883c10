"""Split images into training, validation and test: stratified, seeded, machine-independent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.data import grouped_split
from models.data.grouped_split import Whole

SPLITS = ("train", "validation", "test")
OF_TRAINING = {"train": 90, "validation": 10}
"""Percents of the training images where the data bring a test set only."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image for the split: class, checksum of its file, checksum of its pixels.

    `given` is the split that its source gives it. Images of one `group` stay in one split.
    """

    label: str
    sha256: str
    pixels: str
    given: str | None = None
    group: str | None = None


def split(images: Sequence[Image], shares: tuple[int, int, int], seed: int) -> list[str]:
    """The split of each image. Shares are percents, met in each class by largest remainder.

    Images with equal pixels or equal files stay together. A class of three or more distinct images
    has one in every split. Groups stay whole, and shares are then met as well as they allow. A
    given split is kept; if it has no validation, a tenth of the training images becomes it.
    The result depends on the images and the seed, not on order or names.
    """
    given = [image.given for image in images]
    if any(given):
        kept = [str(name) for name in given]
        return kept if "validation" in kept else _with_validation(images, kept, seed)
    return _drawn(images, dict(zip(SPLITS, shares, strict=True)), seed)


def _with_validation(images: Sequence[Image], given: list[str], seed: int) -> list[str]:
    """The given split, with a tenth of its training images for validation."""
    places = [place for place, name in enumerate(given) if name == "train"]
    drawn = _drawn([images[place] for place in places], OF_TRAINING, seed)
    for place, name in zip(places, drawn, strict=True):
        given[place] = name
    return given


def _drawn(images: Sequence[Image], shares: Mapping[str, int], seed: int) -> list[str]:
    """A split of each image, by these percents."""
    chosen = [""] * len(images)
    if any(image.group is not None for image in images):
        sets = _together(images)
        for members, name in zip(
            sets, grouped_split.assign(_wholes(images, sets), shares, seed), strict=True
        ):
            for index in members:
                chosen[index] = name
        return chosen
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


def _apportion(sizes: list[int], shares: Mapping[str, int]) -> list[str]:
    """A split for each group: the one with most capacity left, an empty one when groups run out."""
    names = list(shares)
    room = _largest_remainder(sum(sizes), list(shares.values()))
    empty = set(range(len(shares))) if len(sizes) >= len(shares) else set()
    places = []
    for position, size in enumerate(sizes):
        allowed = empty if len(sizes) - position <= len(empty) else range(len(shares))
        place = max(allowed, key=lambda index: (room[index], -index))
        room[place] -= size
        empty.discard(place)
        places.append(names[place])
    return places


def _largest_remainder(count: int, shares: Sequence[int]) -> list[int]:
    parts = [divmod(count * share, 100) for share in shares]
    whole = [part for part, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))
    for index in by_remainder[: count - sum(whole)]:
        whole[index] += 1
    return whole


def _together(images: Sequence[Image]) -> list[list[int]]:
    """Sets of indices: equal pixels, equal files and images of one group are together."""
    leader = list(range(len(images)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, image in enumerate(images):
        marks = [("pixels", image.pixels), ("file", image.sha256)]
        marks += [] if image.group is None else [("group", image.group)]
        for mark in marks:
            leader[find(index)] = find(first.setdefault(mark, index))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(images)):
        groups[find(index)].append(index)
    return list(groups.values())


def _wholes(images: Sequence[Image], sets: list[list[int]]) -> list[Whole]:
    return [
        Whole(
            Counter(images[index].label for index in members),
            min(images[index].sha256 for index in members),
        )
        for members in sets
    ]


def _rank(images: Sequence[Image], group: list[int], seed: int) -> bytes:
    return grouped_split.rank(min(images[index].sha256 for index in group), seed)
