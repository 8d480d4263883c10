"""The split: stratified, seeded, independent of order and names, with duplicates kept together."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as some

from models.data.split import Image, split

SHARES = (70, 10, 20)


def image(label: str, number: int) -> Image:
    """An image of its own."""
    name = hashlib.sha256(f"{label}{number}".encode()).hexdigest()
    return Image(label, name, f"p{name}")


def test_each_class_is_split_by_the_shares() -> None:
    """A hundred images: 70, 10 and 20 of each class."""
    images = [image(label, number) for label in "ab" for number in range(100)]
    found = Counter(
        (each.label, name) for each, name in zip(images, split(images, SHARES, 0), strict=True)
    )

    for label in "ab":
        assert [found[label, name] for name in ("train", "validation", "test")] == [70, 10, 20]


def test_the_split_does_not_depend_on_the_order_of_the_images() -> None:
    """In another order, every image is in the same split."""
    images = [image(label, number) for label in "abc" for number in range(17)]
    mixed = random.Random(1).sample(images, len(images))
    straight = dict(zip(images, split(images, SHARES, 5), strict=True))

    assert dict(zip(mixed, split(mixed, SHARES, 5), strict=True)) == straight


def test_another_seed_gives_another_split_of_the_same_sizes() -> None:
    """Seeded, not fixed."""
    images = [image("a", number) for number in range(60)]
    first, second = split(images, SHARES, 0), split(images, SHARES, 1)

    assert first != second
    assert Counter(first) == Counter(second)


def test_the_split_is_the_same_on_every_machine_and_for_good() -> None:
    """The result is recorded here: a change would make old results incomparable."""
    images = [image("a", number) for number in range(12)]

    assert (
        "".join(name[1] for name in split(images, SHARES, 0)) == "errrrrrrrera"
    )  # tEst, tRain, vAlidation


def test_duplicates_in_two_classes_stay_together() -> None:
    """The same image under two labels is never in two splits."""
    images = [image("a", n) for n in range(10)] + [image("b", n) for n in range(10)]
    images += [Image("a", "file1", "same"), Image("b", "file2", "same")]
    found = split(images, SHARES, 0)

    assert found[-1] == found[-2]


@settings(max_examples=200, deadline=None)
@given(
    some.lists(some.tuples(some.sampled_from("ab"), some.integers(0, 12)), min_size=1, max_size=60),
    some.integers(0, 5),
)
def test_no_duplicate_is_on_two_sides_and_no_split_lacks_a_class(
    files: list[tuple[str, int]], seed: int
) -> None:
    """For any folder: equal pixels together; a class of three or more distinct images is in every
    split.
    """
    images = [
        Image(label, f"{label}{index}", f"{label}-{number}")
        for index, (label, number) in enumerate(files)
    ]
    found = split(images, SHARES, seed)
    places: dict[str, set[str]] = {}
    for each, name in zip(images, found, strict=True):
        places.setdefault(each.pixels, set()).add(name)

    assert all(len(names) == 1 for names in places.values())
    for label in {each.label for each in images}:
        distinct = {each.pixels for each in images if each.label == label}
        used = {name for each, name in zip(images, found, strict=True) if each.label == label}
        assert len(distinct) < 3 or len(used) == 3
