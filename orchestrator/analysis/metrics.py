"""The metrics of a trial, from what its evaluation records and from its predictions.

The registry is `METRICS` (`jobs/catalog/metrics.py`): trainings stop by the same metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jobs.catalog.metrics import METRICS as METRICS
from jobs.catalog.metrics import TOP as TOP
from jobs.catalog.metrics import Metric as Metric
from jobs.catalog.metrics import chosen
from jobs.errors import RequestError
from orchestrator.analysis.predictions import Answers

if TYPE_CHECKING:
    from orchestrator.analysis.standings import EvaluationResult


def from_option(text: str) -> Metric:
    """The metric that `--metric` names; raises `RequestError`."""
    try:
        return chosen(text)
    except ValueError as error:
        raise RequestError(f"--metric: {error}.") from None


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
        if not metric.of_evaluation and (value := metric.of(answers)) is not None
    }


def recorded() -> list[Metric]:
    """The metrics that are known without predictions: the columns of the study's table."""
    return [metric for metric in METRICS.values() if metric.of_evaluation]


def in_order(names: Mapping[str, object]) -> list[Metric]:
    """The metrics of these names, in the order of the registry."""
    return [metric for name, metric in METRICS.items() if name in names]
