"""The registry of metrics: how good a network's answers to images are.

Specifications, early stopping, help texts, tables, report.json, LaTeX and data tables take their
metrics from `METRICS`. Arrays come from the callers; numpy is imported only in functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from jobs.catalog.suggest import unknown

TOP = 5
BINS = 15
SMALLEST = 2.0**-126
"""Probabilities below this, the smallest normal number of the stored float32, count as this: the
log loss of an image is at most 87.3 nats."""


class Answered(Protocol):
    """Answers to images: codes of true and predicted classes, probability and rank of the true.

    Unknown probabilities are NaN, unknown ranks -1.
    """

    @property
    def classes(self) -> int: ...
    @property
    def labels(self) -> Any: ...
    @property
    def predicted(self) -> Any: ...
    @property
    def label_confidence(self) -> Any: ...
    @property
    def rank(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a tested trial; the report shows its mean over seeds.

    A value is the mean of `of_images` over images; or `of_counts` of the images right, there and
    answered by class, whose leading axes are kept; or `of_answers` of all predictions; or
    `of_evaluation` of the sums that an evaluation records. The first two can lead a report and stop
    a training, because they say what each image contributes. None: the predictions do not tell.

    `form` says how a value is written: a share in per cent, or a plain number such as a loss. `key`
    is the name in specifications, where `name` with dashes is not it. With fewer than `min_classes`
    classes it says nothing.
    """

    name: str
    title: str
    help: str
    higher_is_better: bool
    form: Literal["share", "number"]
    of_evaluation: Callable[[Any], float] | None = None
    of_answers: Callable[[Any], float | None] | None = None
    of_images: Callable[[Any], Any] | None = None
    of_counts: Callable[[Any, Any, Any], Any] | None = None
    key: str = ""
    min_classes: int = 2

    @property
    def option(self) -> str:
        """The name in a specification: `macro-f1`."""
        return self.key or self.name.replace("_", "-")

    def tells_of(self, classes: int) -> bool:
        """Whether it says anything about so many classes; 0 where their number is unknown."""
        return not classes or classes >= self.min_classes

    @property
    def can_lead(self) -> bool:
        """Whether it can rank networks and stop trainings."""
        return bool(self.of_images or self.of_counts)

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1: a value times this is better the higher it is."""
        return 1 if self.higher_is_better else -1

    def of(self, answers: Answered) -> float | None:
        """The value of these answers; None where they do not tell."""
        if self.of_answers is not None:
            return self.of_answers(answers)
        if self.of_counts is not None:
            return float(self.of_counts(*counts_of(answers)))
        values = self.of_images(answers) if self.of_images else None
        return None if values is None or not len(values) else float(values.mean())


def counts_of(answers: Answered) -> tuple[Any, Any, Any]:
    """By class: images that were answered right, images, and answers."""
    import numpy as np

    right = answers.labels[answers.predicted == answers.labels]
    hits, there, answered = (
        np.bincount(codes, minlength=answers.classes)
        for codes in (right, answers.labels, answers.predicted)
    )
    return hits, there, answered


def balanced_accuracy(hits: Any, there: Any, answered: Any) -> Any:
    """Mean recall over the classes that have images, as in scikit-learn."""
    return _macro(hits, there, there)


def macro_f1(hits: Any, there: Any, answered: Any) -> Any:
    """Mean F1 over the classes with an image or an answer, as in scikit-learn.

    A class that is never predicted has precision 0 and F1 0.
    """
    return _macro(2 * hits, there + answered, there + answered)


def _macro(parts: Any, wholes: Any, known: Any) -> Any:
    """Mean of parts of wholes over the classes that are known, along the last axis."""
    import numpy as np

    shares = np.where(known > 0, parts / np.maximum(wholes, 1), 0.0)
    # `cumsum` adds one after the other, as Python does: the same bits as class by class.
    sums, number = np.cumsum(shares, axis=-1)[..., -1], np.count_nonzero(known > 0, axis=-1)
    return sums / np.maximum(number, 1)


def log_losses(answers: Answered) -> Any:
    """Loss of each image in nats; None where a probability is unknown."""
    import numpy as np

    shares = answers.label_confidence
    if shares is None or np.isnan(shares).any():
        return None
    return -np.log(np.clip(np.asarray(shares, np.float64), SMALLEST, 1.0))


def among_first(answers: Answered) -> Any:
    """Whether the true class is among the first `TOP` answers; without unknown ranks."""
    known = answers.rank[answers.rank >= 0]
    return known < TOP if len(known) else None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "Test accuracy",
            "share of test images right",
            True,
            "share",
            of_evaluation=lambda test: float(test.accuracy),
            of_images=lambda answers: answers.predicted == answers.labels,
        ),
        Metric(
            "loss",
            "Test loss",
            "log loss: mean cross entropy in nats an image",
            False,
            "number",
            of_evaluation=lambda test: float(test.loss),
            of_images=log_losses,
            key="log-loss",
        ),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            "mean recall over classes, each class counts alike",
            True,
            "share",
            of_counts=balanced_accuracy,
        ),
        Metric(
            "macro_f1",
            "Macro F1",
            "mean F1 over classes, each class counts alike",
            True,
            "share",
            of_counts=macro_f1,
        ),
        Metric(
            "top5",
            "Top-5 accuracy",
            f"share of images whose true class is among the first {TOP} answers",
            True,
            "share",
            of_images=among_first,
            key="top-5",
            min_classes=TOP + 1,
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
DEFAULT = "accuracy"
STOPPING_DEFAULT = "loss"


def options() -> dict[str, Metric]:
    """The metrics that can lead, by their names in a specification."""
    return {metric.option: metric for metric in METRICS.values() if metric.can_lead}


def chosen(text: str) -> Metric:
    """The metric of this name, in a specification or in the registry.

    Raises `ValueError`, with the closest name, for one that cannot lead.
    """
    known = options()
    names = {name: metric for metric in known.values() for name in (metric.name, metric.option)}
    spelled = text.strip().lower()
    for name in (spelled, spelled.replace("_", "-"), spelled.replace("-", "_")):
        if name in names:
            return names[name]
    raise ValueError(unknown("metric", text, known))


def stopping_options() -> dict[str, Metric]:
    """The same for `early_stop_metric`, where the log loss is the `loss` of validation."""
    default = METRICS[STOPPING_DEFAULT]
    others = {key: metric for key, metric in options().items() if metric is not default}
    return {default.name: default, **others}


def stopping_choice(text: str) -> str:
    """The name of the metric as `early_stop_metric` writes it; raises `ValueError`."""
    metric = chosen(text)
    return metric.name if metric.name == STOPPING_DEFAULT else metric.option


def short_of_classes(metric: Metric, classes: Collection[str]) -> str:
    """Why a metric says nothing about so few classes; empty where it does."""
    if metric.tells_of(len(classes)):
        return ""
    return (
        f"{metric.option} needs {metric.min_classes} classes or more, and the data have "
        f"{len(classes)}: every answer would be right. Choose another metric, such as accuracy"
    )


def validated() -> Mapping[str, Metric]:
    """The metrics that each epoch records of the validation images, by their columns."""
    return {f"val_{metric.name}": metric for metric in METRICS.values() if metric.can_lead}


def worth(metric: Metric, row: Mapping[str, Any]) -> float | None:
    """The validation value of a metric in the row of an epoch; None where it is not recorded."""
    value = row.get(f"val_{metric.name}")
    return None if value is None else float(value)
