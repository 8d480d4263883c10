"""Which network leads, after which period, and whether that is significant."""

from __future__ import annotations

import numpy as np
import pytest
from support.comparisons import compared, epoch_of, run_of, scored

from jobs.statistics.interval import Interval
from orchestrator.analysis import leader
from orchestrator.analysis.leader import seed_deviation_that_voids
from orchestrator.analysis.pairwise import pairwise_tests
from orchestrator.analysis.seed_intervals import all_moments


def test_the_lead_is_taken_after_the_last_period_and_says_by_how_much() -> None:
    """ResNet34 is behind at first and leads in the end."""
    found = leader.find_leader(
        compared(
            run_of(),
            [
                scored("v", 2, 90, 1000),
                scored("r", 2, 80, 1000),
                scored("v", 6, 900, 1000),
                scored("r", 6, 990, 1000),
            ],
        )
    )

    assert found is not None
    assert (found.period, found.epoch, found.ranking[0].backbone) == (3, 6, "resnet34")
    assert found.margin == pytest.approx(0.09)


def test_the_lead_can_be_asked_after_any_period() -> None:
    """VGG16 led after the first."""
    rows = [scored("v", 2, 90), scored("r", 2, 80), scored("v", 6, 90), scored("r", 6, 99)]
    found = leader.find_leader(compared(run_of(), rows), period=1)

    assert found is not None
    assert (found.period, found.ranking[0].backbone) == (1, "vgg16")


def test_the_lead_waits_for_a_period_that_all_have_reached() -> None:
    """Only VGG16 is evaluated after the last period; the one before is the fair comparison."""
    rows = [scored("v", 4, 80), scored("r", 4, 85), scored("v", 6, 90)]
    waiting = leader.find_leader(compared(run_of(), rows), awaited={("r", 3)})
    given_up = leader.find_leader(compared(run_of(), rows))

    assert waiting is not None
    assert (waiting.period, waiting.ranking[0].backbone) == (2, "resnet34")
    assert given_up is not None
    assert (given_up.period, given_up.ranking[0].backbone) == (3, "vgg16")


def test_an_equal_first_place_is_shared() -> None:
    """Neither leads."""
    found = leader.find_leader(compared(run_of(1), [scored("v", 2, 91), scored("r", 2, 91)]))

    assert found is not None
    assert (found.shared_by, found.margin) == (2, None)


def test_nothing_tested_has_no_lead() -> None:
    """Learning curves alone say nothing about the test set; nor is there a leader after a period
    that nobody reached.
    """
    assert leader.find_leader(compared(run_of(), [], [epoch_of("v", 1)])) is None
    assert leader.find_leader(compared(run_of(), [scored("v", 2, 9)]), period=2) is None


@pytest.mark.parametrize(("better", "alike"), [(30, ()), (3, ("vgg16",))])
def test_a_leader_is_told_apart_only_where_the_images_say_so(
    better: int, alike: tuple[str, ...]
) -> None:
    """ResNet34 got 30 images right that VGG16 got wrong, and none the other way round; 3 are not
    enough.
    """
    found = leader.find_leader(
        compared(run_of(1), [scored("v", 2, 60), scored("r", 2, 60 + better)])
    )
    right = {"vgg16": np.arange(100)[None] < 60, "resnet34": np.arange(100)[None] < 60 + better}
    assert found is not None
    verdict = leader.judge_leader(found, pairwise_tests(right, all_moments(right)))

    assert verdict.alike == alike
    assert verdict.paired_test is not None
    assert (
        verdict.paired_test.first,
        verdict.paired_test.only_first,
        verdict.paired_test.only_second,
    ) == (
        "resnet34",
        better,
        0,
    )


def test_without_answers_nothing_is_told_apart_or_alike() -> None:
    """Counts alone do not say which images were classified correctly."""
    found = leader.find_leader(compared(run_of(1), [scored("v", 2, 60), scored("r", 2, 90)]))
    assert found is not None

    assert leader.judge_leader(found, ()) == leader.LeaderVerdict(None, (), ("vgg16",))


def test_how_much_spread_over_seeds_a_lead_can_bear() -> None:
    """By hand: margin 4 points, standard error of the images 1 point; 4/1.96 = 2.041, so
    sqrt((2.041² - 1) / 2).
    """
    found = seed_deviation_that_voids(0.04, Interval(0.04 - 0.0196, 0.04 + 0.0196))

    assert found == pytest.approx(0.01 * ((2.0408**2 - 1) / 2) ** 0.5, rel=1e-3)
    assert seed_deviation_that_voids(0.01, Interval(-0.01, 0.03)) is None
