"""At most a margin worse: the test, its level, and margins that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is not installed (extra 'report')")

from scipy import stats

from jobs.catalog.metrics import METRICS
from jobs.errors import RequestError
from orchestrator.analysis.image_values import NetworkValues
from orchestrator.analysis.noninferiority import NonInferiority, margin_of, noninferiority
from orchestrator.analysis.seed_intervals import all_moments


def compared(ours: np.ndarray, theirs: np.ndarray, margin: float, sign: int = 1) -> NonInferiority:
    """The test of `ours` against the reference `theirs`."""
    values = NetworkValues({"best": theirs, "other": ours})
    (one,) = noninferiority(values, all_moments(values.networks), "best", margin, sign)
    return one


def test_with_many_images_it_is_students_paired_test() -> None:
    """One-sided, shifted by the margin; for a loss the other way round."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.random((2, 1, 50_000))
    one = compared(ours - 0.005, theirs, 0.01)
    loss = compared(ours + 0.005, theirs, 0.01, sign=-1)

    expected = stats.ttest_rel(ours[0] + 0.005, theirs[0], alternative="greater")
    of_loss = stats.ttest_rel(theirs[0] + 0.005, ours[0], alternative="greater")
    assert one.p == pytest.approx(expected.pvalue, rel=0.01)
    assert loss.p == pytest.approx(of_loss.pvalue, rel=0.01)
    assert one.bound + 0.01 == pytest.approx(expected.confidence_interval().low, abs=1e-5)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_network_just_the_margin_worse_is_seldom_called_not_worse(seeds: int) -> None:
    """In 5% of simulated studies at most, with the noise of 300."""
    rng = np.random.default_rng(seeds)

    def right(accuracy: float) -> np.ndarray:
        scatter = 0.01 * rng.standard_normal((seeds, 1)) if seeds > 1 else 0.0
        return rng.random((seeds, 400)) < accuracy + scatter

    shown = sum(compared(right(0.80), right(0.85), 0.05).shown for _ in range(300))
    surely = compared(right(0.85), right(0.85), 0.2)

    assert shown / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert surely.shown


@pytest.mark.parametrize("points", [0, -1, 100, float("nan"), float("inf")])
def test_a_margin_that_means_nothing_is_refused(points: float) -> None:
    """With what is needed; a loss has no points, but a unit of its own."""
    with pytest.raises(RequestError, match="a number of percentage points above 0 and below 100"):
        margin_of(points, METRICS["accuracy"])

    assert margin_of(1.5, METRICS["macro_f1"]) == 0.015
    assert margin_of(0.1, METRICS["loss"]) == 0.1
