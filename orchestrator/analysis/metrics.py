"""The registry of metrics: how good a network's answers to the test images are.

Tables, report.json, LaTeX, data tables and docs/report.md take their metrics from `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from orchestrator.analysis.calibration import BINS
from orchestrator.analysis.per_class import macro
from orchestrator.analysis.predictions import Answers

if TYPE_CHECKING:
    from orchestrator.analysis.standings import EvaluationResult

TOP = 5


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a tested trial; the report shows its mean over seeds.

    It is computed either from the sums that an evaluation records (`of_evaluation`), or from its
    predictions (`of_answers`, None where they do not tell). `form` says how a value is written:
    a share in per cent, or a plain number such as a loss.
    """

    name: str
    title: str
    help: str
    higher_is_better: bool
    form: Literal["share", "number"]
    of_evaluation: Callable[[EvaluationResult], float] | None = None
    of_answers: Callable[[Answers], float | None] | None = None


def balanced_accuracy(answers: Answers) -> float | None:
    """Mean recall over the classes that have images, as in scikit-learn."""
    counts = answers.by_class
    return macro(counts.recall(code) for code in range(answers.classes) if counts.there[code])


def macro_f1(answers: Answers) -> float | None:
    """Mean F1 over the classes with an image or an answer, as in scikit-learn."""
    return macro(answers.by_class.f1(code) for code in range(answers.classes))


def top5(answers: Answers) -> float | None:
    """Share of images whose true class is among the first `TOP` answers."""
    known = answers.rank[answers.rank >= 0]
    return float(np.mean(known < TOP)) if len(known) else None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "Test accuracy",
            "share of test images right",
            True,
            "share",
            of_evaluation=lambda test: test.accuracy,
        ),
        Metric(
            "loss",
            "Test loss",
            "log loss: mean cross entropy in nats an image",
            False,
            "number",
            of_evaluation=lambda test: test.loss,
        ),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            "mean recall over classes, each class counts alike",
            True,
            "share",
            of_answers=balanced_accuracy,
        ),
        Metric(
            "macro_f1",
            "Macro F1",
            "mean F1 over classes, each class counts alike",
            True,
            "share",
            of_answers=macro_f1,
        ),
        Metric(
            "top5",
            "Top-5 accuracy",
            f"share of images whose true class is among the first {TOP} answers",
            True,
            "share",
            of_answers=top5,
        ),
        Metric(
            "calibration_error",
            "Calibration error",
            f"expected calibration error: mean difference of confidence and accuracy, {BINS} bins",
            False,
            "share",
            of_answers=lambda answers: answers.calibration.ece if answers.calibration else None,
        ),
        Metric(
            "brier",
            "Brier score",
            "mean squared difference of confidence and correctness of the predicted class",
            False,
            "number",
            of_answers=lambda answers: answers.calibration.brier if answers.calibration else None,
        ),
    )
}


def of_evaluation(test: EvaluationResult | None) -> dict[str, float]:
    """The metrics that the recorded sums of an evaluation give."""
    return {
        name: metric.of_evaluation(test)
        for name, metric in METRICS.items()
        if test and metric.of_evaluation
    }


def of_answers(answers: Answers) -> dict[str, float]:
    """The metrics that predictions give, without those that they do not tell."""
    return {
        name: value
        for name, metric in METRICS.items()
        if metric.of_answers and (value := metric.of_answers(answers)) is not None
    }


def recorded() -> list[Metric]:
    """The metrics that are known without predictions: the columns of the study's table."""
    return [metric for metric in METRICS.values() if metric.of_evaluation]


def in_order(names: Mapping[str, object]) -> list[Metric]:
    """The metrics of these names, in the order of the registry."""
    return [metric for name, metric in METRICS.items() if name in names]
