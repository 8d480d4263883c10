"""Rows become standings: periods are the run's own, and each row counts once."""

from __future__ import annotations

from typing import Any

from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from orchestrator.analysis import standings
from orchestrator.analysis.statistics import Spread

WHOSE = {"v": ("vgg16", 0), "r": ("resnet34", 0)}


def run_of(periods: int = 3, epochs_per_period: int = 2, seeds: int = 1) -> Run:
    """A run of two networks, not laid down anywhere."""
    asked = model.build({"backbones": ["vgg16", "resnet34"], "periods": periods, "seeds": seeds,
                        "epochs_per_period": epochs_per_period})
    return Run("a", asked, "digits-64px-00000000", tuple(WHOSE), (), 0.0, {})


def rows_of(table: str, rows: list[dict[str, Any]]) -> Any:
    """An Arrow table as `results.read` gives it: the schema's columns and `trial`."""
    made = tables.build_table(table, rows)
    return made.append_column("trial", [[row["trial"] for row in rows]]) if rows else made.append_column(
        "trial", tables.pa.array([], tables.pa.string()))


def scored(trial: str, epoch: int, correct: int, total: int = 100, **more: Any) -> dict[str, Any]:
    """One row of the table `evaluations`."""
    return {"trial": trial, "epoch": epoch, "period": 1, "loss": 0.5, "correct": correct, "total": total,
            "corruption": "none", "severity": 0, **more}


def epoch_of(trial: str, epoch: int, seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """One row of the table `epochs`; its stored period is wrong on purpose."""
    return {"trial": trial, "epoch": epoch, "period": 99, "train_loss": 1 / epoch, "val_loss": 1 / epoch,
            "val_accuracy": 0.5, "learning_rate": 0.001, "seconds": seconds, "images_per_second": 5.0, **more}


def compared(run: Run, tests: list[dict[str, Any]], epochs: list[dict[str, Any]] | None = None) -> standings.Comparison:
    """The comparison of these rows."""
    return standings.compare(run, WHOSE, rows_of("epochs", epochs or []), rows_of("evaluations", tests))


def test_periods_come_from_the_run_not_from_the_rows() -> None:
    """A trial shared with a run of other periods was stored with those."""
    found = compared(run_of(), [scored("v", 2, 50), scored("v", 4, 60)],
                     [epoch_of("v", 1), epoch_of("v", 2), epoch_of("v", 3, seconds=7)])
    first, second = (found.at(period)[0] for period in (1, 2))

    assert (first.tests[0].correct, second.tests[0].correct) == (50, 60)
    assert (first.seconds, second.seconds) == (Spread(20.0, None, 1), Spread(7.0, None, 1))
    assert [row.period for row in found.epochs] == [1, 1, 2]


def test_rows_beyond_the_run_doubled_or_of_harder_images_do_not_count() -> None:
    """Another run may train the trial on, a retried task may write a row again, a corruption is another test."""
    found = compared(run_of(1), [scored("v", 2, 1, corruption="blur", severity=3), scored("v", 2, 50),
                                 scored("v", 2, 50), scored("v", 8, 99)],
                     [epoch_of("v", 1), epoch_of("v", 1), epoch_of("v", 2), epoch_of("v", 3)])

    assert [test.correct for standing in found.standings for test in standing.tests] == [50]
    assert found.at(1)[0].seconds == Spread(20.0, None, 1)


def test_a_loss_that_is_not_finite_is_none_in_the_curve() -> None:
    """So that no figure and no JSON has to know of NaN."""
    found = compared(run_of(), [], [epoch_of("v", 1, train_loss=float("nan"))])

    assert found.epochs[0].train_loss is None
