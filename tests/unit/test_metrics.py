"""Metrics of predictions are those of scikit-learn, and are computed for each trial by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.comparisons import compared, run_of, scored

from orchestrator.analysis import metrics, standings
from orchestrator.analysis.metrics import METRICS
from orchestrator.analysis.predictions import Answers, Predictions, TrialPredictions

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")


def answers_of(labels: list[int], predicted: list[int], classes: int) -> Answers:
    """Answers with a confidence of one half, and the true class first or sixth."""
    true, said = np.array(labels, np.int32), np.array(predicted, np.int32)
    rank = np.where(true == said, 0, 5).astype(np.int32)
    return Answers(classes, true, said, np.full(len(true), 0.5, np.float32), rank)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=40))
def test_they_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """Class 4 has no image, class 5 neither image nor answer."""
    labels, predicted = ([pair[i] for pair in pairs] for i in (0, 1))
    found = metrics.of_answers(answers_of(labels, predicted, 6))
    right = np.mean(np.array(labels) == np.array(predicted))
    f1 = sklearn_metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    recalls = sklearn_metrics.recall_score(
        labels, predicted, labels=sorted(set(labels)), average="macro", zero_division=0
    )

    assert found["balanced_accuracy"] == pytest.approx(recalls)
    assert found["macro_f1"] == pytest.approx(f1)
    assert found["top5"] == pytest.approx(right)
    assert found["calibration_error"] == pytest.approx(abs(0.5 - right))
    assert found["brier"] == pytest.approx(0.25)


def test_a_standing_has_those_of_its_evaluation_until_predictions_are_there() -> None:
    """Accuracy and loss come from the recorded sums, the others from the predictions."""
    before = compared(run_of(periods=1), [scored("v", 2, 50, 100)])
    answer = np.array([0, 1], np.int32)
    given = TrialPredictions(answer, np.full(2, 0.9, np.float32), answer)
    predictions = Predictions(("x", "y"), ("a", "b"), np.zeros(2, np.int32), {("v", 2): given})
    after = standings.with_predictions(before, predictions)
    tested, untested = (
        {one.backbone: one for one in after.standings}[name] for name in ("vgg16", "resnet34")
    )
    first = next(one for one in before.standings if one.backbone == "vgg16")

    assert list(first.metrics) == ["accuracy", "loss"]
    assert set(tested.metrics) == set(METRICS)
    assert tested.metrics["accuracy"].mean == 0.5
    assert tested.metrics["balanced_accuracy"].mean == 0.5
    assert untested.metrics == {}


def test_what_predictions_do_not_tell_is_left_out() -> None:
    """Without confidences there is no calibration, without ranks no top five."""
    answer = np.array([0, 1], np.int32)
    none = np.full(2, np.nan, np.float32), np.full(2, -1, np.int32)

    assert set(metrics.of_answers(Answers(2, answer, answer, *none))) == {
        "balanced_accuracy",
        "macro_f1",
    }
