"""Predictions of all networks for all test images, as codes in arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.analysis.calibration import Calibration, calibrate

if TYPE_CHECKING:
    import pyarrow as pa

Codes = np.ndarray[Any, np.dtype[np.int32]]
Shares = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class TrialPredictions:
    """One trial's predictions after one epoch, one element per image.

    `predicted` is a class code, or -1 without a prediction. Unknown values are NaN in `confidence`
    and -1 in `rank`. `label_confidence` is that of the true class.
    """

    predicted: Codes
    confidence: Shares
    rank: Codes
    label_confidence: Shares | None = None


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions for images that were answered, one element per answer; codes below `classes`."""

    classes: int
    labels: Codes
    predicted: Codes
    confidence: Shares
    rank: Codes
    label_confidence: Shares | None = None

    @cached_property
    def calibration(self) -> Calibration | None:
        """Calibration of these answers; None without confidences."""
        return calibrate(self.confidence, self.predicted == self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Images and classes (sorted), true classes as codes, predictions by (trial, epoch)."""

    images: tuple[str, ...]
    classes: tuple[str, ...]
    labels: Codes
    answers: Mapping[tuple[str, int], TrialPredictions] = field(default_factory=dict)

    def of(self, trial: str, epoch: int) -> TrialPredictions | None:
        """One trial's predictions after one epoch; None if none are published."""
        return self.answers.get((trial, epoch))

    def right(self, answers: TrialPredictions) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which images were predicted correctly."""
        return np.asarray(answers.predicted == self.labels)

    def together(
        self, several: Sequence[TrialPredictions], places: np.ndarray[Any, Any] | None = None
    ) -> Answers:
        """The answers of these trials, one after the other; only for these images, where given."""
        given = [one.predicted >= 0 if places is None else places for one in several]
        pairs = list(zip(several, given, strict=True))
        return Answers(
            len(self.classes),
            np.concatenate([self.labels[there] for there in given]),
            np.concatenate([one.predicted[there] for one, there in pairs]),
            np.concatenate([one.confidence[there] for one, there in pairs]),
            np.concatenate([one.rank[there] for one, there in pairs]),
            _joined([(one.label_confidence, there) for one, there in pairs]),
        )

    def confusion(self, answers: TrialPredictions) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Counts of images, rows true classes, columns predictions: (classes, classes) int64."""
        size, given = len(self.classes), answers.predicted >= 0
        flat = self.labels[given].astype(np.int64) * size + answers.predicted[given]
        return np.bincount(flat, minlength=size * size).reshape(size, size)


def collect_predictions(
    tables: Sequence[pa.Table], classes: Collection[str], epochs: Collection[int]
) -> Predictions:
    """Collect rows of `predictions`, one table per trial; duplicates in an epoch count once.

    Rows of other epochs are left out. `classes` are those of the data set; predictions may add
    more.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = [
        table.filter(pc.is_in(table["epoch"], pa.array(sorted(epochs), pa.int64())))
        for table in tables
    ]
    kept = [_plain(table) for table in kept if table.num_rows]
    images = pa.array(sorted(set().union(*(_names(table["image"]) for table in kept))), pa.string())
    names = set(classes).union(
        *(_names(table[column]) for table in kept for column in ("label", "predicted"))
    )
    known = pa.array(sorted(names), pa.string())
    labels, answers = np.full(len(images), -1, np.int32), {}
    for table in kept:
        for epoch in pc.unique(table["epoch"]).to_pylist():
            rows = table.filter(pc.equal(table["epoch"], epoch))
            where = _codes(rows["image"], images)[::-1]
            labels[where] = _codes(rows["label"], known)[::-1]
            answers[rows["trial"][0].as_py(), epoch] = _spread_out(rows, where, known, len(images))
    return Predictions(tuple(images.to_pylist()), tuple(known.to_pylist()), labels, answers)


def _spread_out(rows: pa.Table, where: Codes, known: Any, size: int) -> TrialPredictions:
    """Write each row at the index of its image; of duplicates, the first is kept."""
    predicted, rank = np.full(size, -1, np.int32), np.full(size, -1)
    confidence, of_label = (np.full(size, np.nan, np.float32) for _ in range(2))
    predicted[where] = _codes(rows["predicted"], known)[::-1]
    confidence[where] = rows["confidence"].to_numpy()[::-1]
    rank[where] = rows["label_rank"].fill_null(-1).to_numpy()[::-1]
    of_label[where] = rows["label_confidence"].to_numpy()[::-1]
    return TrialPredictions(predicted, confidence, rank.astype(np.int32), of_label)


def _joined(parts: Sequence[tuple[Shares | None, Any]]) -> Shares | None:
    """The probabilities of these images, one trial after the other; None where one has none."""
    known = [shares[there] for shares, there in parts if shares is not None]
    return np.concatenate(known) if known and len(known) == len(parts) else None


def _plain(table: pa.Table) -> pa.Table:
    """Encode names with one dictionary per column."""
    for name in ("image", "label", "predicted"):
        column = table[name]
        if not _is_dictionary(column):
            table = table.set_column(
                table.column_names.index(name), name, column.dictionary_encode()
            )
    return table.unify_dictionaries().combine_chunks()


def _names(column: Any) -> list[str]:
    return [name for chunk in column.chunks for name in chunk.dictionary.to_pylist()]


def _codes(column: Any, known: Any) -> Codes:
    """Index in `known` of each value, looked up once per dictionary entry."""
    import pyarrow.compute as pc

    parts = [
        np.asarray(pc.index_in(chunk.dictionary, known), np.int32)[np.asarray(chunk.indices)]
        for chunk in column.chunks
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _is_dictionary(column: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_dictionary(column.type))
