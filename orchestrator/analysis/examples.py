"""Examples: test images, who predicted them correctly, and which ones to show."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.analysis.predictions import Predictions, TrialPredictions

KINDS = ("all right", "networks disagree", "all wrong")


@dataclass(frozen=True, slots=True)
class ExamplePrediction:
    """Prediction of one network for one image; `confidence` is 0..1."""

    backbone: str
    predicted: str
    confidence: float | None
    right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One test image: true class, predictions of all networks, and its kind (`KINDS`)."""

    image: str
    label: str
    kind: str
    answers: tuple[ExamplePrediction, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """Images that all these networks predicted; the order depends only on image names.

    `judged` are the networks that decide which images count as right, disputed or wrong. A
    network that learned nothing is not among them.
    """

    predictions: Predictions
    networks: Mapping[str, TrialPredictions]
    order: tuple[int, ...]
    right: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    judged: tuple[str, ...] = ()

    @property
    def judges(self) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """Rows of `right` of the judged networks."""
        return self.right[[list(self.networks).index(name) for name in self.judged]]

    def example(self, place: int) -> Example:
        """The example at an index."""
        predictions = self.predictions
        label, given = int(predictions.labels[place]), []
        for backbone, answers in self.networks.items():
            code, sure = int(answers.predicted[place]), float(answers.confidence[place])
            given.append(
                ExamplePrediction(
                    backbone,
                    predictions.classes[code],
                    None if np.isnan(sure) else sure,
                    code == label,
                )
            )
        return Example(
            predictions.images[place], predictions.classes[label], self._kind(given), tuple(given)
        )

    def all(self) -> list[Example]:
        """All examples."""
        return [self.example(place) for place in self.order]

    def only(self, backbone: str) -> list[int]:
        """Images that only this network predicted correctly."""
        row = list(self.networks).index(backbone)
        others = [place for place, name in enumerate(self.networks) if name in self.judged]
        rivals = self.right[[place for place in others if place != row]]
        alone = np.asarray(self.right[row] & ~rivals.any(axis=0))
        return [place for place in self.order if alone[place]]

    def all_wrong(self) -> list[int]:
        """Images that no network predicted correctly, highest mean confidence first."""
        wrong = np.asarray(~self.judges.any(axis=0))
        sure = _mean_of_known(np.stack([self.networks[n].confidence for n in self.judged]))
        return sorted((p for p in self.order if wrong[p]), key=lambda p: -float(sure[p]))

    def taken_for(self, label: str, answer: str) -> list[int]:
        """Images of one class that networks predicted as another, most networks first."""
        predictions = self.predictions
        true, said = predictions.classes.index(label), predictions.classes.index(answer)
        votes = sum((self.networks[n].predicted == said).astype(int) for n in self.judged)
        there = [
            place
            for place in self.order
            if predictions.labels[place] == true and np.asarray(votes)[place] > 0
        ]
        return sorted(there, key=lambda place: -int(np.asarray(votes)[place]))

    def _kind(self, answers: Sequence[ExamplePrediction]) -> str:
        right = [answer.right for answer in answers if answer.backbone in self.judged]
        return KINDS[0] if all(right) else KINDS[1] if any(right) else KINDS[2]


def collect_examples(
    predictions: Predictions,
    networks: Mapping[str, TrialPredictions],
    judged: Collection[str] | None = None,
) -> Examples:
    """The images that every one of these networks (by backbone) predicted.

    `judged` are the networks that learned something; None or none of `networks`: all of them.
    """
    if not networks:
        return Examples(predictions, networks, (), np.zeros((0, len(predictions.images)), bool))
    given = np.logical_and.reduce([answers.predicted >= 0 for answers in networks.values()])
    right = np.stack([predictions.right(answers) for answers in networks.values()])
    places = sorted(
        np.flatnonzero(given).tolist(),
        key=lambda p: hashlib.sha256(predictions.images[p].encode()).digest(),
    )
    among = tuple(name for name in networks if judged is None or name in judged)
    return Examples(predictions, networks, tuple(places), right, among or tuple(networks))


def _mean_of_known(confidences: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean of each column without NaN; 0 where all of it is NaN."""
    known = ~np.isnan(confidences)
    return np.asarray(
        np.where(known, confidences, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    )


def choose_examples(
    asked: Sequence[Example], shares: tuple[int, int, int] = (3, 6, 3)
) -> list[Example]:
    """Up to `shares` images per kind, classes not yet shown first; other kinds fill gaps."""
    chosen: list[Example] = []
    for kind, share in zip(KINDS, shares, strict=True):
        chosen += _varied([q for q in asked if q.kind == kind], chosen, share)
    for kind in (KINDS[1], KINDS[0], KINDS[2]):
        short = sum(shares) - len(chosen)
        chosen += _varied([q for q in asked if q.kind == kind and q not in chosen], chosen, short)
    return sorted(chosen, key=lambda q: KINDS.index(q.kind))


def count_kinds(asked: Sequence[Example]) -> dict[str, int]:
    """Number of images per kind."""
    return {kind: sum(example.kind == kind for example in asked) for kind in KINDS}


def _varied(asked: Sequence[Example], chosen: Sequence[Example], share: int) -> list[Example]:
    taken: list[Example] = []
    seen = {example.label for example in chosen}
    for fresh in (True, False):
        for example in asked:
            if len(taken) >= share:
                return taken
            if example not in taken and (not fresh or example.label not in seen):
                taken.append(example)
                seen.add(example.label)
    return taken
