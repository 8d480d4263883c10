"""What each network answered: confusion counts, and test images worth looking at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("all right", "networks disagree", "all wrong")


@dataclass(frozen=True, slots=True)
class Answer:
    """One network's answer to one image; `confidence` is 0..1."""

    backbone: str
    predicted: str
    confidence: float | None
    right: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One test image, its true class, every network's answer, and which of `KINDS` it is."""

    image: str
    label: str
    kind: str
    answers: tuple[Answer, ...]


def of(predictions: pa.Table, trial: str, epoch: int) -> pa.Table:
    """One trial's answers after one epoch."""
    import pyarrow.compute as pc

    return predictions.filter(pc.and_(pc.equal(predictions["trial"], trial), pc.equal(predictions["epoch"], epoch)))


def confusion(predictions: pa.Table, classes: Sequence[str]) -> np.ndarray[Any, Any]:
    """Counts of images, rows the true classes, columns the answers: (classes, classes) int64."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (_codes(predictions["label"], classes), _codes(predictions["predicted"], classes)), 1)
    return counts


def worst(counts: np.ndarray[Any, Any], classes: Sequence[str], most: int = 3) -> list[tuple[str, str, int, int]]:
    """The commonest mistakes, as (true class, answer, images, images of that true class)."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [divmod(int(flat), len(classes)) for flat in order]
    return [(classes[i], classes[j], int(wrong[i, j]), int(counts[i].sum())) for i, j in places if wrong[i, j] > 0]


def questions(tables: dict[str, pa.Table]) -> list[Question]:
    """Every image that all networks (by backbone) have answered, in an order that only the images' names decide."""
    answered: dict[str, tuple[str, list[Answer]]] = {}
    for backbone, table in tables.items():
        names = (table[name].to_pylist() for name in ("image", "label", "predicted", "confidence"))
        for image, label, predicted, confidence in zip(*names, strict=True):
            answer = Answer(backbone, predicted, confidence, predicted == label)
            answered.setdefault(image, (label, []))[1].append(answer)
    whole = [
        Question(image, label, _kind(answers), tuple(answers))
        for image, (label, answers) in answered.items()
        if len(answers) == len(tables)
    ]
    return sorted(whole, key=lambda q: hashlib.sha256(q.image.encode()).digest())


def choose(asked: Sequence[Question], shares: tuple[int, int, int] = (3, 6, 3)) -> list[Question]:
    """Up to `shares` images of each kind, classes not yet shown first; where a kind runs short, others fill up."""
    chosen: list[Question] = []
    for kind, share in zip(KINDS, shares, strict=True):
        chosen += _varied([q for q in asked if q.kind == kind], chosen, share)
    for kind in (KINDS[1], KINDS[0], KINDS[2]):
        short = sum(shares) - len(chosen)
        chosen += _varied([q for q in asked if q.kind == kind and q not in chosen], chosen, short)
    return sorted(chosen, key=lambda q: KINDS.index(q.kind))


def tally(asked: Sequence[Question]) -> dict[str, int]:
    """How many images are of each kind."""
    return {kind: sum(question.kind == kind for question in asked) for kind in KINDS}


def _varied(asked: Sequence[Question], chosen: Sequence[Question], share: int) -> list[Question]:
    taken: list[Question] = []
    seen = {question.label for question in chosen}
    for fresh in (True, False):
        for question in asked:
            if len(taken) < share and question not in taken and (not fresh or question.label not in seen):
                taken.append(question)
                seen.add(question.label)
    return taken


def _kind(answers: Sequence[Answer]) -> str:
    right = sum(answer.right for answer in answers)
    return KINDS[0] if right == len(answers) else KINDS[1] if right else KINDS[2]


def _codes(column: Any, classes: Sequence[str]) -> np.ndarray[Any, Any]:
    """Each value's place in `classes`; works for plain and dictionary columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(pc.index_in(column.cast(pa.string()), pa.array(list(classes), pa.string())), np.int64)
