"""Splits that the data bring along: their names, and whether they are whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from jobs.data.data_source import DataSource
from jobs.errors import BadFolder

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPELLINGS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
SHOWN = 3
TENTH = "a tenth of the training images of each class, drawn with split_seed"


def named(word: str) -> str | None:
    """The split that a word names, in any case: `Training` is `train`."""
    return SPELLINGS.get(word.strip().casefold())


def checked(source: DataSource, advice: str) -> DataSource:
    """The source with a remark on its given split, if it has one.

    Raises `BadFolder` where no training or no test images are given, or a class has no training
    image. `advice` says what to do about a split that is missing.
    """
    counts = Counter(entry.given_split for entry in source.entries)
    if not source.split_given:
        return source
    for split, noun in ((TRAIN, "training"), (TEST, "test")):
        if not counts[split]:
            raise BadFolder(f"{source.labels or source.origin} gives no {noun} images. {advice}")
    trained = {entry.label for entry in source.entries if entry.given_split == TRAIN}
    untrained = [label for label in source.classes if label not in trained]
    if untrained:
        more = f" and {len(untrained) - SHOWN} more" if len(untrained) > SHOWN else ""
        raise BadFolder(
            f"{source.labels or source.origin}: no training image of class(es) "
            f"{', '.join(untrained[:SHOWN])}{more}, so it could not be learnt. Is the class "
            "spelled in another way? Else add training images, or remove the class."
        )
    told = ", ".join(f"{counts[s]:,} {s}" for s in (TRAIN, VALIDATION, TEST) if counts[s])
    remark = f"the split given by the data is kept: {told} images"
    if not counts[VALIDATION]:
        remark += f"; none are given for validation, so {TENTH}, are taken for it"
    return replace(source, remarks=(*source.remarks, remark))
