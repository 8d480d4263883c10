"""Differences over seeds and images: by hand, by simulation, and where nothing may be said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jobs.statistics import seed_intervals
from jobs.statistics.seed_intervals import SeedDifference, seed_moments
from orchestrator.analysis import pairwise
from orchestrator.analysis.leader import beats_all_rivals
from orchestrator.analysis.seed_intervals import all_moments


def drawn(
    seed: int, accuracies: list[list[float]], images: int = 2000, shared: float = 0.7
) -> dict[str, np.ndarray]:
    """Correct predictions of networks whose seeds have these accuracies, images hard for all."""
    rng = np.random.default_rng(seed)
    hard = shared**0.5 * rng.standard_normal(images)
    return {
        f"n{place}": np.stack(
            [
                hard + (1 - shared) ** 0.5 * rng.standard_normal(images) < stats.norm.ppf(accuracy)
                for accuracy in of_network
            ]
        )
        for place, of_network in enumerate(accuracies)
    }


def test_the_variance_of_seeds_is_that_of_their_accuracies() -> None:
    """Accuracies 0.5 and 1 in one network, 0.5 twice in the other: 0.125 / 2, one degree."""
    first = np.array([[True, True, False, False], [True] * 4])
    second = np.array([[True, False] * 2, [True, False] * 2])
    ours, theirs = seed_moments(first), seed_moments(second)
    assert ours is not None
    assert theirs is not None
    found = seed_intervals.seed_difference(ours, theirs)

    assert found.difference == pytest.approx(0.25)
    assert found.seed_variance == pytest.approx(0.125 / 2)
    assert found.seed_df == pytest.approx(1)


def test_equal_scatter_has_the_degrees_of_both_networks() -> None:
    """Three seeds each, the same deviation: 2 and 2."""
    right = drawn(1, [[0.7, 0.8, 0.9]])["n0"]
    moments = seed_moments(right)
    assert moments is not None

    assert seed_intervals.seed_difference(moments, moments).seed_df == pytest.approx(4)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_degrees_of_freedom_are_never_above_welchs(seed: int, ours: int, theirs: int) -> None:
    """Nor above those of both networks, nor below the smaller one's."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1, ours), rng.normal(0, 3 * rng.random(), theirs)
    welch = float(stats.ttest_ind(first, second, equal_var=False).df)
    parts = [(float(x.var(ddof=1)) / len(x), len(x) - 1) for x in (first, second)]
    found = seed_intervals._seed_df(parts)

    assert found <= welch + 1e-9
    assert min(ours, theirs) - 1 - 1e-9 <= found <= ours + theirs - 2 + 1e-9


def test_the_interval_without_seed_scatter_is_that_of_the_paired_images() -> None:
    """Two copies of one training: the deviation of the paired difference over the root of n."""
    right = {name: np.repeat(rows, 2, axis=0) for name, rows in drawn(3, [[0.8], [0.7]]).items()}
    first, second = (seed_moments(rows) for rows in right.values())
    assert first is not None
    assert second is not None
    found = seed_intervals.seed_difference(first, second)
    paired = right["n0"][0].astype(float) - right["n1"][0]

    assert found.seed_variance == 0
    assert found.image_variance == pytest.approx(paired.var() / 2000, rel=0.01)


def test_the_p_value_is_the_level_whose_interval_reaches_zero() -> None:
    """Also where one of the variances is nil, and where the difference is."""
    found = SeedDifference(0.02, 2e-5, 3.0, 3e-5, 999.0)
    only_seeds = SeedDifference(0.02, 2e-5, 3.0, 0.0, 999.0)

    assert found.half_width(found.p) == pytest.approx(0.02)
    assert only_seeds.p == pytest.approx(2 * stats.t.sf(0.02 / 2e-5**0.5, 3))
    assert SeedDifference(0.0, 2e-5, 3.0, 3e-5, 999.0).p == 1.0
    assert SeedDifference(0.5, 0.0, 1.0, 0.0, 9.0).p == pytest.approx(1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_one_seed_never_leads_however_large_the_difference(seed: int) -> None:
    """McNemar's test may be as sure as it likes."""
    right = drawn(seed, [[0.99], [0.1], [0.2]])
    mixed = drawn(seed, [[0.99, 0.99, 0.99], [0.1]])

    assert beats_all_rivals(all_moments(right)) is None
    assert beats_all_rivals(all_moments(mixed)) is None
    assert beats_all_rivals(all_moments({"n0": right["n0"]})) is None


def test_a_clear_difference_over_seeds_leads_and_must_beat_every_rival() -> None:
    """20 points better than one, and equal to another."""
    clear = drawn(5, [[0.9, 0.91, 0.89], [0.7, 0.71, 0.69]])
    crowded = drawn(5, [[0.9, 0.91, 0.89], [0.7, 0.71, 0.69], [0.9, 0.89, 0.9]])

    assert beats_all_rivals(all_moments(clear)) == "n0"
    assert beats_all_rivals(all_moments(dict(reversed(clear.items())))) == "n0"
    assert beats_all_rivals(all_moments(crowded)) is None


def test_seeds_that_scatter_undo_what_the_images_say() -> None:
    """McNemar's p-value is tiny; other seeds could turn the order."""
    right = drawn(8, [[0.93, 0.85, 0.80], [0.84, 0.80, 0.76]])
    (test,) = pairwise.pairwise_tests(right, all_moments(right))

    assert test.p_holm < 0.05
    assert test.seed_interval is not None
    assert test.seed_interval.low < 0 < test.seed_interval.high
    assert not test.significant
    assert not test.first_wins


def test_few_images_that_all_agree_are_no_certainty() -> None:
    """Two images, right with every seed of one network and wrong with the other's."""
    assert (
        beats_all_rivals(all_moments({"a": np.ones((3, 2), bool), "b": np.zeros((3, 2), bool)}))
        is None
    )


def test_one_collapsed_seed_takes_the_lead_from_nobody_and_gives_it_to_nobody() -> None:
    """Four good seeds and one at chance against five good ones."""
    good, fallen = [0.9, 0.91, 0.9, 0.89, 0.9], [0.9, 0.91, 0.9, 0.89, 0.1]

    assert beats_all_rivals(all_moments(drawn(2, [good, fallen]))) is None


def test_equal_networks_rarely_lead() -> None:
    """Deviations of 1 and 3 points, two networks of three seeds, 400 draws."""
    rng = np.random.default_rng(0)
    leads = 0
    for number in range(400):
        scatter = rng.standard_normal((2, 3)) * [[0.01], [0.03]]
        leads += (
            beats_all_rivals(all_moments(drawn(number, (0.8 + scatter).tolist(), images=500)))
            is not None
        )

    assert leads <= 0.05 * 400 + 3 * (0.05 * 0.95 * 400) ** 0.5


def test_holm_corrects_the_p_values_over_seeds_together() -> None:
    """Three pairs; a pair seen from the other side turns its interval."""
    right = drawn(4, [[0.9, 0.91], [0.8, 0.82], [0.7, 0.69]])
    tests = pairwise.pairwise_tests(right, all_moments(right))
    raw = sorted(test.p_seeds or 0 for test in tests)
    corrected = sorted(test.p_seeds_holm or 0 for test in tests)
    turned = tests[0].turned().seed_interval

    assert corrected[0] == pytest.approx(min(1, 3 * raw[0]))
    assert tests[0].seed_interval is not None
    assert turned is not None
    assert (turned.low, turned.high) == (
        -tests[0].seed_interval.high,
        -tests[0].seed_interval.low,
    )
