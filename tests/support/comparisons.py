"""Rows of two networks, and the comparison made of them."""

from __future__ import annotations

from typing import Any

from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from orchestrator.analysis import standings

WHOSE = {"v": ("vgg16", 0), "r": ("resnet34", 0)}


def run_of(periods: int = 3, epochs_per_period: int = 2, seeds: int = 1) -> Run:
    """A run of two networks that is not stored."""
    asked = model.build(
        {
            "backbones": ["vgg16", "resnet34"],
            "periods": periods,
            "seeds": seeds,
            "epochs_per_period": epochs_per_period,
        }
    )
    return Run("a", asked, "digits-64px-00000000", tuple(WHOSE), (), 0.0, {})


def rows_of(table: str, rows: list[dict[str, Any]]) -> Any:
    """An Arrow table as `results.read` gives it: the schema's columns and `trial`."""
    made = tables.build_table(table, rows)
    return (
        made.append_column("trial", [[row["trial"] for row in rows]])
        if rows
        else made.append_column("trial", tables.pa.array([], tables.pa.string()))
    )


def scored(trial: str, epoch: int, correct: int, total: int = 100, **more: Any) -> dict[str, Any]:
    """One row of the table `evaluations`."""
    return {
        "trial": trial,
        "epoch": epoch,
        "period": 1,
        "loss": 0.5,
        "correct": correct,
        "total": total,
        "corruption": "none",
        "severity": 0,
        **more,
    }


def epoch_of(trial: str, epoch: int, seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """One row of the table `epochs`; its stored period is wrong on purpose."""
    return {
        "trial": trial,
        "epoch": epoch,
        "period": 99,
        "train_loss": 1 / epoch,
        "val_loss": 1 / epoch,
        "val_accuracy": 0.5,
        "learning_rate": 0.001,
        "seconds": seconds,
        "images_per_second": 5.0,
        **more,
    }


def compared(
    run: Run, tests: list[dict[str, Any]], epochs: list[dict[str, Any]] | None = None
) -> standings.Comparison:
    """The comparison of these rows."""
    return standings.compare(
        run, WHOSE, rows_of("epochs", epochs or []), rows_of("evaluations", tests)
    )
