"""Rows become standings: periods are the run's own, and each row counts once."""

from __future__ import annotations

from support.comparisons import compared, epoch_of, run_of, scored

from orchestrator.analysis.spreads import Spread


def test_periods_come_from_the_run_not_from_the_rows() -> None:
    """A trial shared with a run of other periods was stored with those."""
    found = compared(
        run_of(),
        [scored("v", 2, 50), scored("v", 4, 60)],
        [epoch_of("v", 1), epoch_of("v", 2), epoch_of("v", 3, seconds=7)],
    )
    first, second = (found.at(period)[0] for period in (1, 2))

    assert (first.tests[0].correct, second.tests[0].correct) == (50, 60)
    assert (first.seconds, second.seconds) == (Spread(20.0, None, 1), Spread(7.0, None, 1))
    assert [row.period for row in found.epochs] == [1, 1, 2]


def test_rows_beyond_the_run_doubled_or_of_harder_images_do_not_count() -> None:
    """Another run may extend the trial, a retried task may write a row again, a corruption is
    another evaluation.
    """
    found = compared(
        run_of(1),
        [
            scored("v", 2, 1, corruption="blur", severity=3),
            scored("v", 2, 50),
            scored("v", 2, 50),
            scored("v", 8, 99),
        ],
        [epoch_of("v", 1), epoch_of("v", 1), epoch_of("v", 2), epoch_of("v", 3)],
    )

    assert [test.correct for standing in found.standings for test in standing.tests] == [50]
    assert found.at(1)[0].seconds == Spread(20.0, None, 1)


def test_a_loss_that_is_not_finite_is_none_in_the_curve() -> None:
    """So that no figure and no JSON needs to handle NaN."""
    found = compared(run_of(), [], [epoch_of("v", 1, train_loss=float("nan"))])

    assert found.epochs[0].train_loss is None
