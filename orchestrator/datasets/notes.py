"""The findings of a data folder as lines that name files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from orchestrator.datasets.findings import Findings

SHOWN = 3


def lines(findings: Findings) -> list[str]:
    """A line for each kind of finding, with the first files by name; broken files left out."""
    told = [
        *findings.remarks,
        _line(
            map(_cut, findings.groups_across_splits.items()),
            "group", "s", "of images in several splits",
        ),
        _line(
            map(_equal, findings.equal_across_splits),
            "group", "s", "of equal images in several splits",
        ),
        _line(
            [label for label, counts in findings.by_split.items() if not counts["train"]],
            "class", "es", "without a training image",
        ),
        unsplit(findings),
        _line(findings.no_test_image, "class", "es", "without a test image"),
        _line(
            map(_equal, findings.contradictions),
            "group", "s", "of equal images in several classes",
        ),
        _line(findings.one_colour, "image", "s", "of a single colour"),
        _line(findings.low_contrast, "image", "s", "of less than a tenth of the range of values"),
        _line(
            [f"{path} ({frames})" for path, frames in findings.frames.items()],
            "file", "s", "with several frames, of which the first is taken",
        ),
        _near(findings),
        _line(
            map(_alike, findings.alike_classes),
            "group", "s", "of classes with almost equal names",
        ),
        _line(findings.beside, "file", "s", "belonging to no class, not used"),
        _line(findings.own_split, "folder", "s", "of a split within the classes, not used as one"),
    ]  # fmt: skip
    if findings.value_range and "fault" in findings.value_range:
        told.append(findings.value_range["fault"])
    return [line for line in told if line]


def broken(files: Mapping[str, str], skipped: bool) -> str:
    """The broken files with the reasons, and what becomes of them."""
    named = [f"{path} ({why})" for path, why in files.items()]
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


def unsplit(findings: Findings) -> str:
    """How many images each split has, where one has too few; else empty."""
    sums = {
        split: sum(counts[split] for counts in findings.by_split.values())
        for split in ("train", "validation", "test")
    }
    total = sum(sums.values())
    if not total or (sums["train"] > 1 and sums["validation"] and sums["test"]):
        return ""
    return (
        f"{total:,} images give {sums['train']} for training, {sums['validation']} for validation "
        f"and {sums['test']} for test, on which preparing the data set will fail: three images a "
        "class are enough, of three groups where there are any"
    )


def _near(findings: Findings) -> str:
    groups, across = len(findings.near_duplicates), len(findings.across_splits)
    if not groups:
        return ""
    images, examples = sum(map(len, findings.near_duplicates)), findings.across_splits
    lie = f"{across or 'none'} of the groups {'lie' if across > 1 else 'lies'} in several splits"
    if groups == 1:
        lie = "it lies in several splits" if across else "it lies in one split"
    return (
        f"{images:,} images in {groups:,} group{'' if groups == 1 else 's'} look nearly the same; "
        f"{lie}: {_equal((examples or findings.near_duplicates)[0])}"
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
