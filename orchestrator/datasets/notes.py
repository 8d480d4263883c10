"""The findings of a data folder as lines that name files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from orchestrator.datasets.findings import Findings

SHOWN = 3


def lines(found: Findings) -> list[str]:
    """A line for each kind of finding, with the first files by name; broken files left out."""
    told = [
        *found.remarks,
        _line(
            map(_cut, found.groups_across_splits.items()),
            "group", "s", "of images in several splits",
        ),
        _line(
            map(_equal, found.equal_across_splits),
            "group", "s", "of equal images in several splits",
        ),
        _line(
            [label for label, counts in found.by_split.items() if not counts["train"]],
            "class", "es", "without a training image",
        ),
        _line(found.no_test_image, "class", "es", "without a test image"),
        _line(
            map(_equal, found.contradictions),
            "group", "s", "of equal images in several classes",
        ),
        _line(found.one_colour, "image", "s", "of a single colour"),
        _line(found.low_contrast, "image", "s", "of less than a tenth of the range of values"),
        _line(
            [f"{path} ({frames})" for path, frames in found.frames.items()],
            "file", "s", "with several frames, of which the first is taken",
        ),
        _near(found),
        _line(map(_alike, found.alike_classes), "group", "s", "of classes with almost equal names"),
        _line(found.beside, "file", "s", "beside the class folders, not used"),
        _line(found.own_split, "folder", "s", "of a split within the classes, not used as one"),
    ]  # fmt: skip
    if found.value_range and "fault" in found.value_range:
        told.append(found.value_range["fault"])
    return [line for line in told if line]


def broken(found: Findings, skipped: bool) -> str:
    """The broken files, and what becomes of them."""
    named = [f"{path} ({why})" for path, why in found.broken.items()]
    becomes = "left out" if skipped else "on which preparing the data set will fail"
    return _line(named, "broken file", "s", becomes)


def _line(names: Iterable[str], one: str, many: str, what: str) -> str:
    """Such as `2 images of a single colour: a.png, b.png`."""
    listed = list(names)
    if not listed:
        return ""
    more = f" and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else ""
    noun = one if len(listed) == 1 else f"{one}{many}"
    return f"{len(listed):,} {noun} {what}: {', '.join(listed[:SHOWN])}{more}"


def _near(found: Findings) -> str:
    images, across = sum(map(len, found.near_duplicates)), len(found.across_splits)
    if not images:
        return ""
    examples = found.across_splits or found.near_duplicates
    return (
        f"{images:,} images in {len(found.near_duplicates):,} groups look nearly the same; "
        f"{across:,} of the groups lie in several splits: {_equal(examples[0])}"
    )


def _cut(group: tuple[str, dict[str, int]]) -> str:
    name, counts = group
    return f"{name} ({', '.join(f'{count} {split}' for split, count in counts.items())})"


def _alike(group: list[str]) -> str:
    """Names in quotes; with escapes where some of them look the same."""
    look = {" ".join(unicodedata.normalize("NFKC", name).split()) for name in group}
    return _equal([repr(name) if len(look) == len(group) else ascii(name) for name in group])


def _equal(group: list[str]) -> str:
    more = f" and {len(group) - SHOWN:,} more" if len(group) > SHOWN else ""
    return " = ".join(group[:SHOWN]) + more
