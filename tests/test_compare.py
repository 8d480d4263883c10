"""Rows become standings: intervals against published examples, spreads, periods of the run's own, and the lead."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import results, spec
from jobs.store import Run
from orchestrator import compare

WHOSE = {"v": ("vgg16", 0), "r": ("resnet34", 0)}


def run_of(periods: int = 3, epochs_per_period: int = 2, seeds: int = 1) -> Run:
    """A run of two networks, not laid down anywhere."""
    asked = spec.build({"backbones": ["vgg16", "resnet34"], "periods": periods, "seeds": seeds,
                        "epochs_per_period": epochs_per_period})
    return Run("a", asked, "digits-64px-00000000", tuple(WHOSE), (), 0.0, {})


def rows_of(table: str, rows: list[dict[str, Any]]) -> Any:
    """An Arrow table as `results.read` gives it: the schema's columns and `trial`."""
    made = results.table_of(table, rows)
    return made.append_column("trial", [[row["trial"] for row in rows]]) if rows else made.append_column(
        "trial", results.pa.array([], results.pa.string()))


def scored(trial: str, epoch: int, correct: int, total: int = 100, **more: Any) -> dict[str, Any]:
    """One row of the table `evaluations`."""
    return {"trial": trial, "epoch": epoch, "period": 1, "loss": 0.5, "correct": correct, "total": total,
            "corruption": "none", "severity": 0, **more}


def epoch_of(trial: str, epoch: int, seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """One row of the table `epochs`; its stored period is wrong on purpose."""
    return {"trial": trial, "epoch": epoch, "period": 99, "train_loss": 1 / epoch, "val_loss": 1 / epoch,
            "val_accuracy": 0.5, "learning_rate": 0.001, "seconds": seconds, "images_per_second": 5.0, **more}


def compared(run: Run, tests: list[dict[str, Any]], epochs: list[dict[str, Any]] | None = None) -> compare.Comparison:
    """The comparison of these rows."""
    return compare.compare(run, WHOSE, rows_of("epochs", epochs or []), rows_of("evaluations", tests))


@pytest.mark.parametrize(("correct", "total", "low", "high"), [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
])
def test_wilson_agrees_with_the_published_examples(correct: int, total: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3."""
    found = compare.wilson(correct, total)

    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_wilson_stays_within_0_and_1_and_knows_nothing_of_no_images() -> None:
    """All right ends at 1 exactly; no images is the whole range."""
    assert compare.wilson(20, 20).high == 1.0
    assert compare.wilson(0, 0) == compare.Interval(0.0, 1.0)


def test_one_seed_has_no_deviation_and_several_have_the_sample_one() -> None:
    """2, 4 and 6: mean 4, deviation 2 with n - 1."""
    assert compare.spread([]) is None
    assert compare.spread([0.5]) == compare.Spread(0.5, None, 1)
    assert compare.spread([2, 4, 6]) == compare.Spread(4.0, 2.0, 3)


def test_periods_come_from_the_run_not_from_the_rows() -> None:
    """A trial shared with a run of other periods was stored with those."""
    found = compared(run_of(), [scored("v", 2, 50), scored("v", 4, 60)],
                     [epoch_of("v", 1), epoch_of("v", 2), epoch_of("v", 3, seconds=7)])
    first, second = (found.at(period)[0] for period in (1, 2))

    assert (first.tests[0].correct, second.tests[0].correct) == (50, 60)
    assert (first.seconds, second.seconds) == (compare.Spread(20.0, None, 1), compare.Spread(7.0, None, 1))
    assert [row.period for row in found.epochs] == [1, 1, 2]


def test_rows_beyond_the_run_doubled_or_of_harder_images_do_not_count() -> None:
    """Another run may train the trial on, a retried task may write a row again, a corruption is another test."""
    found = compared(run_of(1), [scored("v", 2, 1, corruption="blur", severity=3), scored("v", 2, 50),
                                 scored("v", 2, 50), scored("v", 8, 99)],
                     [epoch_of("v", 1), epoch_of("v", 1), epoch_of("v", 2), epoch_of("v", 3)])

    assert [test.correct for standing in found.standings for test in standing.tests] == [50]
    assert found.at(1)[0].seconds == compare.Spread(20.0, None, 1)


def test_a_loss_that_is_not_finite_is_none_in_the_curve() -> None:
    """So that no figure and no JSON has to know of NaN."""
    found = compared(run_of(), [], [epoch_of("v", 1, train_loss=float("nan"))])

    assert found.epochs[0].train_loss is None


def test_the_lead_is_taken_after_the_last_period_and_says_by_how_much() -> None:
    """ResNet34 trails at first and leads in the end; the intervals do not touch."""
    found = compare.lead(compared(run_of(), [scored("v", 2, 90, 1000), scored("r", 2, 80, 1000),
                                             scored("v", 6, 900, 1000), scored("r", 6, 990, 1000)]))

    assert found is not None
    assert (found.period, found.epoch, found.ranking[0].backbone) == (3, 6, "resnet34")
    assert found.margin == pytest.approx(0.09)
    assert not found.doubtful


def test_the_lead_is_doubtful_when_the_intervals_overlap() -> None:
    """91 and 90 of 100 say little."""
    found = compare.lead(compared(run_of(1), [scored("v", 2, 91), scored("r", 2, 90)]))

    assert found is not None
    assert found.doubtful


def test_the_lead_waits_for_a_period_that_all_have_reached() -> None:
    """VGG16 alone has been tested after the last period; the one before is the fair comparison."""
    rows = [scored("v", 4, 80), scored("r", 4, 85), scored("v", 6, 90)]
    waiting = compare.lead(compared(run_of(), rows), awaited={("r", 3)})
    given_up = compare.lead(compared(run_of(), rows))

    assert waiting is not None
    assert (waiting.period, waiting.ranking[0].backbone) == (2, "resnet34")
    assert given_up is not None
    assert (given_up.period, given_up.ranking[0].backbone) == (3, "vgg16")


def test_an_equal_first_place_is_shared() -> None:
    """Neither leads."""
    found = compare.lead(compared(run_of(1), [scored("v", 2, 91), scored("r", 2, 91)]))

    assert found is not None
    assert (found.shared_by, found.margin) == (2, None)


def test_nothing_tested_has_no_lead() -> None:
    """Curves alone say nothing of the test set."""
    assert compare.lead(compared(run_of(), [], [epoch_of("v", 1)])) is None


def test_several_seeds_are_doubtful_when_means_are_closer_than_their_spread() -> None:
    """0.90 and 0.80 against 0.86 and 0.82: 1 point between the means, 7 points of deviation."""
    whose = {"v0": ("vgg16", 0), "v1": ("vgg16", 1), "r0": ("resnet34", 0), "r1": ("resnet34", 1)}
    rows = [scored("v0", 2, 90), scored("v1", 2, 80), scored("r0", 2, 86), scored("r1", 2, 82)]
    found = compare.lead(compare.compare(run_of(1, seeds=2), whose, rows_of("epochs", []),
                                         rows_of("evaluations", rows)))

    assert found is not None
    assert found.ranking[0].accuracy is not None
    assert found.ranking[0].accuracy.n == 2
    assert found.doubtful
