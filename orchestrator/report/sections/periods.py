"""Periods and their epochs in words."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData


def title(run_data: RunData, number: int) -> str:
    """A period with its epochs: `Last period, epochs 5–6`."""
    return f"{period_title(run_data, number)}, {stretch_of(run_data, number)}"


def period_title(run_data: RunData, number: int) -> str:
    """`All epochs`, `First period`, `Last period` or `Period 2`."""
    last = run_data.run.spec.periods
    return (
        "All epochs"
        if last == 1
        else "Last period"
        if number == last
        else "First period"
        if number == 1
        else f"Period {number}"
    )


def stretch_of(run_data: RunData, period: int | None) -> str:
    """A period, or the whole run: `epochs 1–10`."""
    run = run_data.run
    first, last = (
        (1, run.spec.epochs)
        if period is None
        else (run.epoch_of(period - 1) + 1, run.epoch_of(period))
    )
    return f"epoch {last}" if first == last else f"epochs {first}–{last}"
