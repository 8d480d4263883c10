"""The power of pairwise tests: against counting every outcome, and what more images would show."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from jobs.statistics.mcnemar import mcnemar
from jobs.statistics.seed_intervals import LEVEL, SeedDifference
from orchestrator.analysis.power import NORMAL_POWER, POWER, Power, mcnemar_power
from orchestrator.analysis.resampled import mean_over_splits


def counted(images: int, disagreement: float, difference: float, level: float) -> float:
    """The power by counting all outcomes: images only the first, or only the second, got right."""
    first, second = (disagreement + difference) / 2, (disagreement - difference) / 2
    total = 0.0
    for one, other in product(range(images + 1), repeat=2):
        both = images - one - other
        if both >= 0 and mcnemar(one, other) <= level:
            ways = math.comb(images, one) * math.comb(images - one, other)
            total += ways * first**one * second**other * (1 - disagreement) ** both
    return total


@pytest.mark.parametrize("difference", [0.0, 0.2, 0.4])
def test_the_power_is_that_of_counting_every_outcome(difference: float) -> None:
    """The report's own test decides on each pair of counts; 25 images, two levels."""
    for level in (LEVEL, LEVEL / 21):
        exact = counted(25, 0.5, difference, level)

        assert mcnemar_power(25, 0.5, difference, level) == pytest.approx(exact, abs=1e-6)


def test_the_visible_difference_is_found_with_the_power_it_states() -> None:
    """Just below it the power is less; more pairs hide more, more images less."""
    few = Power(images=200, pairs=21, seeds=1, disagreement=0.1, noise=0.05)
    assert few.visible is not None

    assert few.power(200, 1, few.visible) == pytest.approx(POWER, abs=1e-3)
    assert few.power(200, 1, few.visible - 0.01) < POWER
    one_pair = Power(200, 1, 1, 0.1, 0.05).visible
    more = few.least(2000, 1)
    assert one_pair is not None
    assert more is not None
    assert one_pair < few.visible
    assert more < few.visible


def test_the_images_that_are_named_suffice_and_a_tenth_fewer_do_not() -> None:
    """The target is a round difference below the visible one."""
    power = Power(images=200, pairs=21, seeds=1, disagreement=0.1, noise=0.05)
    images = power.images_for_target

    assert power.target == 0.02
    assert images is not None
    assert images > 200
    assert power.power(images, 1, power.target) >= POWER
    assert power.power(images * 9 // 10, 1, power.target) < POWER


def test_several_seeds_are_tested_as_the_report_tests_them() -> None:
    """Half the interval over seeds and images, and the normal quantile of the power beyond it."""
    power = Power(images=400, pairs=3, seeds=4, disagreement=0.12, noise=0.08)
    seeds, images = 0.08 / 400 / 4, 0.04 / 400
    half = SeedDifference(0.0, seeds, 6.0, images, 399.0).half_width(LEVEL / 3)

    expected = half + NORMAL_POWER * math.sqrt(seeds + images)

    assert power.visible == pytest.approx(expected, abs=1e-4)


def test_seeds_help_only_against_the_noise_of_seeds() -> None:
    """Where networks differ by the images alone, no number of seeds shows the target."""
    noisy = Power(images=2000, pairs=1, seeds=1, disagreement=0.1, noise=0.099)
    settled = Power(images=2000, pairs=1, seeds=1, disagreement=0.1, noise=0.0)

    assert noisy.target == settled.target
    assert noisy.seeds_for_target is not None
    assert settled.seeds_for_target is None


def test_a_handful_of_images_shows_nothing() -> None:
    """Three images cannot become significant, however they fall."""
    power = Power(images=3, pairs=21, seeds=1, disagreement=0.1, noise=0.05)

    assert power.visible is None
    assert power.images_for_target is not None


def test_over_splits_the_power_is_that_of_simulated_studies() -> None:
    """2,000 studies of 5 splits whose differences correlate as Nadeau and Bengio assume."""
    power = Power(images=72, pairs=3, seeds=1, disagreement=0.1, noise=0.04, splits=5, ratio=0.25)
    rng, visible = np.random.default_rng(0), power.visible
    assert visible is not None
    shared, variance = 0.2, (max(0.1, visible) - visible**2) / 72
    common, own = rng.normal(size=(2000, 1)), rng.normal(size=(2000, 5))
    drawn = visible + variance**0.5 * (shared**0.5 * common + (1 - shared) ** 0.5 * own)
    tests = (mean_over_splits(row, 0.25) for row in drawn.tolist())
    significant = sum(test is not None and test.p < LEVEL / 3 for test in tests)

    assert significant / 2000 == pytest.approx(POWER, abs=0.03)


def test_more_splits_seeds_and_images_show_more_and_one_split_has_no_others() -> None:
    """What is named suffices, and one fewer does not."""
    five = Power(400, 1, 1, 0.1, 0.05, splits=5, ratio=0.125)
    ten = Power(400, 1, 1, 0.1, 0.05, splits=10, ratio=0.125)
    splits, images = five.splits_for_target, five.images_for_target

    assert five.visible is not None
    assert ten.visible is not None
    assert ten.visible < five.visible
    assert five.target < five.visible
    assert images is not None
    assert five.power(images, 1, five.target) >= POWER
    assert splits is None or five.over_splits(400, 1, splits, five.target) >= POWER
    assert splits is None or five.over_splits(400, 1, splits - 1, five.target) < POWER
    assert Power(400, 1, 1, 0.1, 0.05).splits_for_target is None
