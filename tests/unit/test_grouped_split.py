"""Groups stay whole, classes meet their shares as well as groups allow, given splits are kept."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as some

from models.data.split import SPLITS, Image, split

SHARES = (70, 10, 20)


def image(label: str, number: int, group: str | None = None, given: str | None = None) -> Image:
    """An image of its own."""
    name = hashlib.sha256(f"{label}{number}".encode()).hexdigest()
    return Image(label, name, f"p{name}", given, group)


def patients(number: int, most: int = 12) -> list[Image]:
    """Images of patients, each with one to `most` images, mostly of one of three diseases."""
    rng = random.Random(7)
    images = []
    for patient in range(number):
        usual = rng.choice("aaab" if patient % 2 else "bbbc")
        for _ in range(rng.randint(1, most)):
            label = usual if rng.random() < 0.8 else rng.choice("abc")
            images.append(image(label, len(images), f"patient{patient}"))
    return images


def shares_of(images: list[Image], found: list[str]) -> dict[tuple[str, str], float]:
    """The share of each class in each split."""
    totals = Counter(each.label for each in images)
    counts = Counter((each.label, name) for each, name in zip(images, found, strict=True))
    return {(c, name): counts[c, name] / totals[c] for c in totals for name in SPLITS}


def worst(images: list[Image], found: list[str]) -> float:
    """The largest deviation of a class from its share of the test images."""
    return max(
        abs(share - 0.2) for (_, s), share in shares_of(images, found).items() if s == "test"
    )


def test_groups_stay_whole_and_classes_meet_their_shares() -> None:
    """Within two points for a hundred patients of three diseases."""
    images = patients(100)
    found = split(images, SHARES, 0)
    sides = Counter({(each.group, name) for each, name in zip(images, found, strict=True)})

    assert len(sides) == 100
    for (_, name), share in shares_of(images, found).items():
        assert share == pytest.approx(SHARES[SPLITS.index(name)] / 100, abs=0.02)


def test_classes_are_met_as_well_as_by_scikit_learn() -> None:
    """A fifth for the test, beside a fold of StratifiedGroupKFold, over three seeds."""
    selection = pytest.importorskip("sklearn.model_selection")
    images = patients(40)
    ours = [worst(images, split(images, SHARES, seed)) for seed in range(3)]
    theirs = []
    for seed in range(3):
        folds = selection.StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        labels, groups = [e.label for e in images], [e.group for e in images]
        _, test = next(folds.split(labels, labels, groups))
        chosen = set(test.tolist())
        theirs.append(worst(images, ["test" if n in chosen else "" for n in range(len(images))]))

    assert sum(ours) <= sum(theirs)


def test_the_split_of_groups_depends_on_images_and_seed_alone() -> None:
    """Not on order, nor on the names of the groups; and it is the same for good."""
    images = patients(30)
    mixed = random.Random(1).sample(images, len(images))
    renamed = [Image(e.label, e.sha256, e.pixels, None, f"x{e.group}") for e in images]
    straight = split(images, SHARES, 3)
    told = hashlib.sha256("".join(name[1] for name in straight).encode()).hexdigest()[:8]

    assert dict(zip(mixed, split(mixed, SHARES, 3), strict=True)) == dict(
        zip(images, straight, strict=True)
    )
    assert split(renamed, SHARES, 3) == straight
    assert told == "5c4ea76e"


def test_another_seed_gives_another_split_of_groups() -> None:
    """Also where all groups differ in size."""
    images = [image("ab"[g % 2], 100 * g + n, f"g{g}") for g in range(20) for n in range(g + 3)]

    assert len({tuple(split(images, SHARES, seed)) for seed in range(5)}) == 5


@settings(max_examples=100, deadline=None)
@given(
    some.lists(some.tuples(some.sampled_from("ab"), some.integers(0, 9)), min_size=1, max_size=40),
    some.integers(0, 5),
)
def test_no_group_is_cut_and_a_class_of_three_groups_is_in_every_split(
    rows: list[tuple[str, int]], seed: int
) -> None:
    """For groups of a single class each."""
    images = [image(label, n, f"{label}{group}") for n, (label, group) in enumerate(rows)]
    found = split(images, SHARES, seed)
    sides: dict[str | None, set[str]] = {}
    for each, name in zip(images, found, strict=True):
        sides.setdefault(each.group, set()).add(name)

    assert all(len(names) == 1 for names in sides.values())
    for label in {each.label for each in images}:
        groups = {each.group for each in images if each.label == label}
        used = {name for each, name in zip(images, found, strict=True) if each.label == label}
        assert len(used) == 3 or len(groups) < 3
        assert "train" in used


def test_equal_images_of_two_groups_keep_both_groups_together() -> None:
    """No test image was trained on."""
    images = [image("ab"[g % 2], 10 * g + n, f"g{g}") for g in range(12) for n in range(4)]
    images += [Image("a", "one", "same", None, "g0"), Image("b", "two", "same", None, "g1")]
    found = split(images, SHARES, 0)

    assert len({s for e, s in zip(images, found, strict=True) if e.group in ("g0", "g1")}) == 1


def test_a_given_split_is_kept_even_where_it_cuts() -> None:
    """Groups and equal images: the data decide."""
    images = [image("a", n, "one group", SPLITS[n % 3]) for n in range(9)]

    assert split(images, SHARES, 0) == [each.given for each in images]


def test_a_tenth_of_the_training_images_becomes_the_missing_validation() -> None:
    """Of each class; test images stay; groups stay whole."""
    images = [image(c, n, None, "test" if n < 20 else "train") for c in "ab" for n in range(120)]
    found = split(images, SHARES, 0)
    grouped = [
        Image(e.label, e.sha256, e.pixels, e.given, f"{i // 5}") for i, e in enumerate(images)
    ]
    whole = split(grouped, SHARES, 0)

    assert Counter(zip([e.label for e in images], found, strict=True)) == {
        (label, name): count
        for label in "ab"
        for name, count in (("train", 90), ("validation", 10), ("test", 20))
    }
    assert Counter(whole) == {"train": 180, "validation": 20, "test": 40}
    assert len({(e.group, name) for e, name in zip(grouped, whole, strict=True)}) == 48


@pytest.mark.parametrize("grouped", [False, True])
def test_awkward_classes_are_split_right(grouped: bool) -> None:
    """5 beside 500 images, a single image, a thousand classes of three."""
    sizes = {"few": 5, "many": 500, "one": 1} | {f"c{n}": 3 for n in range(1000)}
    images = [
        image(label, n, f"{label}{n}" if grouped else None)
        for label, count in sizes.items()
        for n in range(count)
    ]
    counts = Counter((e.label, s) for e, s in zip(images, split(images, SHARES, 0), strict=True))

    assert [counts["many", name] for name in SPLITS] == [350, 50, 100]
    assert [counts["few", name] for name in SPLITS] == [3, 1, 1]
    assert [counts["one", name] for name in SPLITS] == [1, 0, 0]
    assert all(counts[f"c{n}", name] == 1 for n in range(1000) for name in SPLITS)
