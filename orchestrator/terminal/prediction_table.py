"""Predictions for new images as tables: one for each image, with a row for each network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.formatting import plain, share

if TYPE_CHECKING:
    from models.evaluation.predict import ImagePredictions
    from orchestrator.analysis.trained_models import TrainedModels

NEVER_CUT = 100_000
"""Columns of what is not a terminal."""
SPLITS = {"train": "training", "validation": "validation", "test": "test"}


def show(
    run: str, split: int | None, chosen: TrainedModels, answered: Sequence[ImagePredictions]
) -> None:
    """A table for each image."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else NEVER_CUT)
    seeds = max(len(tasks) for tasks in chosen.trials.values())
    mean = f"; confidences are means over up to {seeds} seeds" if seeds > 1 else ""
    of_split = "" if split is None else f", split {split} (--split chooses another)"
    console.print(f"run {plain(run)}{of_split}{mean}", markup=False)
    for each in answered:
        if not each.broken:
            console.print()
            console.print(_title(each), soft_wrap=True)
            console.print(_table(each, chosen))
    if chosen.absent:
        console.print(f"\nnot evaluated yet: {', '.join(chosen.absent)}", markup=False)


def _title(each: ImagePredictions) -> Any:
    from rich.text import Text

    known = (
        f" ({plain(each.known.label)}, one of the run's {SPLITS[each.known.split]} images)"
        if each.known
        else ""
    )
    return Text(plain(str(each.image)) + known, style="bold")


def _table(each: ImagePredictions, chosen: TrainedModels) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column, side in (
        ("backbone", "left"),
        ("epoch", "right"),
        ("prediction", "left"),
        ("confidence", "right"),
        ("next best", "left"),
    ):
        wrap = column == "next best"
        table.add_column(column, justify=side, no_wrap=not wrap)  # type: ignore[arg-type]
    for answer in each.answers:
        first, *others = answer.top
        epochs = sorted({task.epoch for task in chosen.trials[answer.backbone]})
        style = "" if each.known is None else "green" if first.label == each.known.label else "red"
        table.add_row(
            answer.backbone,
            "-".join(map(str, dict.fromkeys((epochs[0], epochs[-1])))),
            Text(plain(first.label), style=style),
            share(first.confidence),
            Text(
                ", ".join(f"{plain(c.label)} {share(c.confidence)}" for c in others),
                style="dim",
            ),
        )
    return table
