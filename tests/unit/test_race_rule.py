"""The rule of a race: its tests, its error over a whole race, and its forecast."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.fake_races import images_right

from jobs.racing import stopping_rule
from jobs.racing.stopping_rule import behind


@pytest.mark.parametrize(("leader", "own"), [(150, 120), (150, 149), (100, 100)])
def test_one_seed_is_tested_by_mcnemars_exact_test(leader: int, own: int) -> None:
    """One-sided, as scipy's binomial test has it."""
    p = behind(images_right(own), images_right(leader))
    only = leader - own
    expected = stats.binomtest(0, only, alternative="less").pvalue if only else 1.0

    assert p == pytest.approx(expected)


def test_the_best_of_equal_networks_is_stopped_in_at_most_five_of_a_hundred_races() -> None:
    """Seven networks that are all alike, nine looks at the same images: the worst case is safe."""
    rng = np.random.default_rng(3)
    trials = {f"n{number}": [f"n{number}"] for number in range(7)}
    lost = 0
    for _ in range(150):
        hard = rng.random(300)
        stopped = set[str]()
        for look in range(9):
            right = {
                name: (rng.random(300) < 0.25 + 0.7 * hard)[None]
                for name in trials
                if name not in stopped
            }
            flat = {name: [0.4, 0.4] for name in right}
            told = stopping_rule.look(right, trials, look + 1, 9, 6, flat, 20)
            stopped |= {
                each.network for each in told.contenders if each.p_corrected < stopping_rule.LEVEL
            }
        lost += "n0" in stopped

    assert lost <= 0.05 * 150


def test_a_forecast_follows_the_power_law_of_the_errors() -> None:
    """Exactly where they follow one; flat where they grow, and none without a pace."""
    law = [0.8 * epoch**-0.5 for epoch in range(1, 11)]

    assert stopping_rule.forecast(law, 40, 1_000_000) == pytest.approx(0.8 * 40**-0.5)
    assert stopping_rule.forecast([0.1, 0.2, 0.3], 30, 100) == pytest.approx(0.3)
    assert stopping_rule.forecast([0.3], 30, 100) is None
    assert stopping_rule.forecast([0.0, 0.0], 30, 100) == pytest.approx(0.005)


def test_the_pace_of_who_is_behind_is_taken_at_its_upper_limit() -> None:
    """More images make it more certain; who learned nothing or has ended early is flat."""
    law = [0.8 * epoch**-0.5 for epoch in range(1, 11)]
    ends = [
        stopping_rule.forecast(law, 40, images, stopping_rule.PACE_LIMIT)
        for images in (200, 6_000, 10**9)
    ]
    times = np.log(np.arange(1, 11))
    spread, last = ((times - times.mean()) ** 2).sum(), law[-1]
    slope = -0.5 - 1.645 * np.sqrt((1 - last) / (last * 200) / spread)

    assert ends == sorted(ends, key=float)
    assert ends[0] == pytest.approx(last * 4**slope)
    assert ends[2] == pytest.approx(0.8 * 40**-0.5, rel=1e-3)
    assert stopping_rule.forecast([0.3, 0.3], 30, 100, stopping_rule.PACE_LIMIT) == pytest.approx(
        0.3
    )
