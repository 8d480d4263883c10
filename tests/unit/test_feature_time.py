"""Training on features costs their computation too, once."""

from __future__ import annotations

from typing import Any

import pytest
from support.comparisons import WHOSE, epoch_of, rows_of, run_of, scored

from jobs.store.records import TaskResult
from orchestrator.analysis import standings
from orchestrator.analysis.cost import Cost, features_of, network_costs

EPOCHS = [epoch_of(trial, epoch) for trial in WHOSE for epoch in (1, 2, 3, 4)]
TESTS = [scored(trial, epoch, 60) for trial in WHOSE for epoch in (2, 4)]


def compared(trainings: dict[str, dict[int, TaskResult]]) -> standings.Comparison:
    """Both networks after two periods of two epochs, of 10 s each."""
    return standings.compare(
        run_of(periods=2),
        WHOSE,
        rows_of("epochs", EPOCHS),
        rows_of("evaluations", TESTS),
        feature_seconds={name: one.seconds for name, one in features_of(WHOSE, trainings).items()},
    )


def costs_of(trainings: dict[str, dict[int, TaskResult]]) -> dict[str, Cost]:
    """The costs of both networks after the second period."""
    return {cost.backbone: cost for cost in network_costs(compared(trainings), 2, 3, trainings)}


def trained(epoch: int, **facts: Any) -> TaskResult:
    """A training that ended at this epoch, on a GPU."""
    return TaskResult(
        epoch=epoch, device="cuda (T4)", energy_joules=3.6e6, measured_from=epoch - 2, **facts
    )


def test_the_features_count_once_whatever_the_number_of_periods() -> None:
    """Every period's result tells of them; 40 s of epochs and 7 s of features."""
    features = {"feature_seconds": 7.0, "feature_joules": 7.2e6, "features_by": "v"}
    trainings = {"v": {2: trained(2, **features), 4: trained(4, **features)}, "r": {}}
    costs = costs_of(trainings)

    assert costs["vgg16"].seconds is not None
    assert costs["resnet34"].seconds is not None
    assert (costs["vgg16"].seconds.mean, costs["vgg16"].feature_seconds) == (47.0, 7.0)
    assert (costs["resnet34"].seconds.mean, costs["resnet34"].feature_seconds) == (40.0, None)
    assert costs["vgg16"].energy_kwh == pytest.approx(4.0)
    assert costs["vgg16"].energy_share == 1.0
    assert not costs["vgg16"].features_shared


def test_features_of_another_training_count_too_and_are_called_shared() -> None:
    """As what they took when they were computed; energy that nobody counted is missing."""
    trainings = {
        "v": {4: trained(4, feature_seconds=7.0, features_by="another-s0")},
        "r": {4: trained(4)},
    }
    costs = costs_of(trainings)

    assert costs["vgg16"].features_shared
    assert costs["vgg16"].seconds is not None
    assert costs["vgg16"].seconds.mean == 47.0
    assert costs["vgg16"].energy_share is None
    assert costs["resnet34"].energy_share == 0.5


def test_the_first_period_shows_them_and_its_recorded_seconds_stay_those_of_epochs() -> None:
    """In the table of the period; columns keep their meaning."""
    trainings = {"v": {2: trained(2, feature_seconds=7.0, features_by="v")}, "r": {}}
    shown = {
        (one.backbone, one.period): (one.seconds, one.whole_seconds)
        for one in compared(trainings).standings
        if one.seconds and one.whole_seconds
    }
    means = {key: tuple(one.mean for one in both) for key, both in shown.items() if all(both)}

    assert means["vgg16", 1] == (20.0, 27.0)
    assert means["vgg16", 2] == (20.0, 20.0)
    assert means["resnet34", 1] == (20.0, 20.0)
