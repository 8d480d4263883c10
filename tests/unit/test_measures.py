"""Calibration, agreement, measures by class, cost and early stopping: worked by hand and compared
with scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.store import tables
from orchestrator.analysis import (
    agreement,
    calibration,
    cost,
    load,
    overfitting,
    per_class,
    predictions,
)
from orchestrator.analysis.standings import EpochRow
from orchestrator.analysis.timeline import AttemptSpan, covered


def test_calibration_by_hand() -> None:
    """Two bins: 0.9 and 0.9, one right (gap 0.4, two of three images); 0.3, right (gap 0.7): ECE
    0.5.
    """
    found = calibration.calibrate(
        np.array([0.9, 0.9, 0.3, np.nan]), np.array([True, False, True, True])
    )

    assert found is not None
    assert found.images == 3
    assert found.ece == pytest.approx((2 * 0.4 + 0.7) / 3)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.49) / 3)
    assert [b.images for b in found.bins if b.images] == [1, 2]
    assert found.gap == pytest.approx(0.7 - 2 / 3)


def test_bins_are_open_below_and_closed_above() -> None:
    """0 is in the first bin, 1 in the last, an edge in the lower one."""
    found = calibration.calibrate(np.array([0.0, 1 / 3, 1.0]), np.array([True] * 3), bins=3)

    assert found is not None
    assert [b.images for b in found.bins] == [2, 0, 1]
    assert calibration.calibrate(np.array([np.nan]), np.array([True])) is None


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_brier_score_is_scikit_learns(seed: int) -> None:
    """On random confidences; the error is between 0 and 1."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    sure, right = rng.random(60), rng.random(60) < 0.5
    found = calibration.calibrate(sure, right)

    assert found is not None
    assert found.brier == pytest.approx(metrics.brier_score_loss(right, sure))
    assert abs(found.gap) <= found.ece <= 1


@given(st.integers(0, 10_000), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_kappa_precision_recall_and_f1_are_scikit_learns(seed: int, count: int) -> None:
    """On random predictions; an undefined measure is None where scikit-learn returns 0."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    labels, ours, theirs = (np.r_[rng.integers(0, count, 40), 0, 1] for _ in range(3))
    found = agreement.agree("a", "b", ours, theirs, labels)
    counts = metrics.confusion_matrix(labels, ours, labels=range(count))
    told = per_class.class_metrics(counts, [str(i) for i in range(count)])
    precision, recall, f1, images = metrics.precision_recall_fscore_support(
        labels, ours, labels=range(count), zero_division=0
    )

    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(ours, theirs))
    assert found.share == pytest.approx(np.mean(ours == theirs))
    assert [one.precision or 0.0 for one in told] == pytest.approx(precision)
    assert [one.recall or 0.0 for one in told] == pytest.approx(recall)
    assert [one.f1 or 0.0 for one in told] == pytest.approx(f1)
    assert [one.images for one in told] == images.tolist()


def test_kappa_by_hand() -> None:
    """Cohen's kind of table: 3 of 4 agree; both say 0 half of the time, so chance is 0.5 and kappa
    0.5.
    """
    found = agreement.agree(
        "a", "b", np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), np.array([0, 0, 0, 1])
    )
    close = agreement.agree(
        "a", "b", np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), np.array([0, 0, 0, 1])
    )

    assert (found.share, found.kappa, found.same_mistake) == (0.5, 0.0, 1)
    assert close.kappa == pytest.approx((0.75 - 0.5) / 0.5)


def test_the_commonest_mistakes_come_first() -> None:
    """Correct predictions are not mistakes."""
    found = per_class.confusions(np.array([[5, 2, 0], [3, 1, 0], [0, 0, 9]]), ["a", "b", "c"])

    assert found == [per_class.Confusion("b", "a", 3, 4), per_class.Confusion("a", "b", 2, 7)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_nothing_off_the_pareto_line_is_unbeaten(points: list[tuple[int, int]]) -> None:
    """No point on the front is dominated; each other point is, by a point on the front."""
    line = cost.pareto(points)

    def beats(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    assert line
    assert not any(beats(p, points[i]) for i in line for p in points)
    assert all(
        any(beats(points[i], points[j]) for i in line) for j in range(len(points)) if j not in line
    )


def curve(val: list[float], train: list[float] | None = None) -> list[EpochRow]:
    """A trial's epochs of ten seconds."""
    falls = train or [1 / (i + 1) for i in range(len(val))]
    return [
        EpochRow("t", "vgg16", 0, 1, i + 1, falls[i], loss, 0.5, 0.001, 10.0, 5.0)
        for i, loss in enumerate(val)
    ]


def test_overfitting_begins_after_the_best_epoch() -> None:
    """Best at 3; validation loss rises while training loss falls; a patience of 3 stops at 6 and
    saves 2 epochs.
    """
    found = overfitting.advise(curve([0.9, 0.7, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9]))

    assert found is not None
    assert (found.best_epoch, found.overfits_from, found.stopped_at) == (3, 4, 6)
    assert (found.saved_epochs, found.saved_seconds, found.best_kept) == (2, 20.0, True)
    assert found.gap_at_end == pytest.approx(0.9 - 1 / 8)


def test_a_curve_that_keeps_falling_does_not_overfit_and_saves_nothing() -> None:
    """Nor does one whose training loss rises as well: that is not overfitting."""
    falling = overfitting.advise(curve([0.9, 0.8, 0.7]))
    diverging = overfitting.advise(curve([0.5, 0.9, 1.5], [0.5, 0.9, 1.5]))

    assert falling is not None
    assert (falling.overfits_from, falling.saved_epochs, falling.best_epoch) == (None, 0, 3)
    assert diverging is not None
    assert (diverging.best_epoch, diverging.overfits_from) == (1, None)
    assert overfitting.advise([]) is None


def test_stopping_too_early_is_said() -> None:
    """The loss improves again after the patience has ended."""
    found = overfitting.advise(curve([0.5, 0.6, 0.6, 0.6, 0.4]))

    assert found is not None
    assert (found.stopped_at, found.best_epoch, found.best_kept) == (4, 5, False)


def rows(trial: str, answers: list[tuple[str, str, str]], epoch: int = 2) -> pa.Table:
    """Rows of `predictions` as `results.read` gives them."""
    made: list[dict[str, Any]] = [
        {
            "backbone": "vgg16",
            "seed": 0,
            "period": 1,
            "epoch": epoch,
            "image": image,
            "label": label,
            "predicted": predicted,
            "confidence": 0.5,
            "label_confidence": 0.5,
            "label_rank": int(label != predicted),
        }
        for image, label, predicted in answers
    ]
    table = tables.build_table("predictions", made).append_column(
        "trial", pa.array([trial] * len(made), pa.string())
    )
    return table.select(list(load.PREDICTION_COLUMNS))


def test_a_book_puts_every_answer_at_its_images_place() -> None:
    """In any order of rows; duplicate rows count once; other epochs do not count."""
    found = predictions.collect_predictions(
        [
            rows("a", [("2", "cat", "dog"), ("1", "dog", "dog"), ("2", "cat", "cat")]),
            rows("b", [("1", "dog", "eel")]),
            rows("c", [("1", "dog", "dog")], epoch=4),
        ],
        ["ape", "cat", "dog"],
        {2},
    )
    first, second = found.of("a", 2), found.of("b", 2)

    assert (found.images, found.classes) == (("1", "2"), ("ape", "cat", "dog", "eel"))
    assert first is not None
    assert second is not None
    assert found.of("c", 4) is None
    assert first.predicted.tolist() == [2, 2]
    assert second.predicted.tolist() == [3, -1]
    assert found.right(first).tolist() == [True, False]
    assert found.right(second).tolist() == [False, False]
    assert found.confusion(first)[1, 2] == found.confusion(second)[2, 3] == 1
    assert np.isnan(second.confidence[1])
    assert first.rank.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(0.0, 2.0), (5.0, 6.0)], 3.0),
        ([(4.0, 5.0), (0.0, 3.0), (1.0, 2.0), (2.0, 4.5)], 5.0),
    ],
)
def test_a_worker_with_slots_is_busy_once_at_a_time(
    spans: list[tuple[float, float]], seconds: float
) -> None:
    """Work done at the same time counts once, so that no worker is busy for longer than the run
    took.
    """
    stints = [
        AttemptSpan("t", "train", None, None, 1, "done", None, "w", "h", "cpu", start, end, None)
        for start, end in spans
    ]

    assert covered(stints) == pytest.approx(seconds)
