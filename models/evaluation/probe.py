"""Judge features by cross-validation: a logistic probe and nearest neighbours (scikit-learn)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.errors import BadFolder

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
FOLDS = 5
NEIGHBOURS = 20
TEMPERATURE = 0.07
"""Neighbours vote by exp(similarity / temperature): Wu, Xiong, Yu and Lin 2018, CVPR, section 3."""
STRENGTH = 0.01
"""Inverse of the probe's L2 penalty (C of scikit-learn), for features of unit deviation."""
ROUNDS = 200
SMALL = 1e-6


@dataclass(frozen=True, slots=True)
class ProbeAnswers:
    """For each image its fold, and what both classifiers say that saw the other folds only."""

    fold: Numbers
    probe: Numbers
    neighbours: Numbers
    voters: int


def folds(labels: Numbers, groups: Sequence[str], seed: int = 0) -> Numbers:
    """The fold of each image (n), at most `FOLDS`, stratified by class; groups stay whole.

    The same images and groups give the same folds. Raises `BadFolder` where no class has two
    images that may be apart.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    first, member, sizes = _grouped(groups)
    largest = int(np.bincount(labels[first]).max())
    count = min(FOLDS, largest)
    if count < 2:
        raise BadFolder(
            "every class has a single training or validation image (equal images count once), so "
            "no network can be judged. Add images."
        )
    fold = np.zeros(len(labels), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds
        if _of_one_class(labels, member):
            plain = StratifiedKFold(count, shuffle=True, random_state=seed)
            by_group = np.zeros(len(sizes), np.int64)
            for number, (_, held) in enumerate(plain.split(first, labels[first])):
                by_group[held] = number
            return by_group[member]
        whole = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        for number, (_, held) in enumerate(whole.split(labels, labels, member)):
            fold[held] = number
    return fold


def _grouped(groups: Sequence[str]) -> tuple[Numbers, Numbers, Numbers]:
    """The first image of each group, the group of each image, and the sizes of groups."""
    _, first, member, sizes = np.unique(
        np.asarray(groups), return_index=True, return_inverse=True, return_counts=True
    )
    return first.astype(np.int64), member.astype(np.int64), sizes.astype(np.int64)


def _of_one_class(labels: Numbers, member: Numbers) -> bool:
    """Whether groups are as good as images: all of one class, and few images in each."""
    lowest = np.full(member.max() + 1, labels.max() + 1)
    highest = np.full(member.max() + 1, -1)
    np.minimum.at(lowest, member, labels)
    np.maximum.at(highest, member, labels)
    return bool((lowest == highest).all() and np.bincount(member).max() <= FOLDS)


def judge(
    features: Floats, labels: Numbers, fold: Numbers, tell: Callable[[int], None]
) -> ProbeAnswers:
    """The answers to every image of classifiers trained on the other folds.

    `tell` gets the number of steps done, of two for each fold.
    """
    probe, near, voters = np.full_like(labels, -1), np.full_like(labels, -1), NEIGHBOURS
    held_out = [number for number in np.unique(fold) if (fold != number).any()]
    for done, number in enumerate(held_out):
        held, kept = fold == number, fold != number
        probe[held] = logistic(features[kept], labels[kept], features[held])
        tell(2 * done + 1)
        voters = min(voters, int(kept.sum()))
        near[held] = neighbours(features[kept], labels[kept], features[held])
        tell(2 * done + 2)
    return ProbeAnswers(fold, probe, near, voters)


def logistic(known: Floats, labels: Numbers, asked: Floats) -> Numbers:
    """Classes by multinomial logistic regression on standardised features, with an L2 penalty."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:
        return np.full(len(asked), labels[0])
    centre, width = known.mean(0), known.std(0)
    width[width < SMALL] = 1.0
    model = LogisticRegression(C=STRENGTH, max_iter=ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what it says by then is good enough
        model.fit((known - centre) / width, labels)
    said: Numbers = model.predict((asked - centre) / width)
    return said


def neighbours(known: Floats, labels: Numbers, asked: Floats) -> Numbers:
    """Classes by the vote of the most similar images, by the cosine of their features."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(
        min(NEIGHBOURS, len(known)),
        algorithm="brute",
        metric="cosine",
        weights=lambda distance: np.exp((1 - distance) / TEMPERATURE),
    )
    said: Numbers = model.fit(known, labels).predict(asked)
    return said
