"""Reference lines in figures: chance, and always answering the commonest class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from orchestrator.analysis.unlearned import Baselines
from orchestrator.report.rendering import theme, wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REACH = 1.0
"""A line is drawn up to so many times the spread of the data away from it."""


def draw_baselines(axes: Axes, known: Baselines, along: Literal["x", "y"]) -> None:
    """Draw both lines (per cent) where the figure reaches them without squeezing its data."""
    low, high = _data_range(axes, along)
    for share, label, style in (
        (known.chance, "chance", ":"),
        (known.majority_share, "commonest class", "-."),
    ):
        if share is None or low - 100 * share > REACH * (high - low):
            continue
        draw = axes.axvline if along == "x" else axes.axhline
        draw(100 * share, color=theme.MUTED, linewidth=1.1, linestyle=style, label=label)


def told(known: Baselines) -> str:
    """Both baselines in words; empty where they are not known."""
    if known.chance is None or known.majority_share is None:
        return ""
    return (
        f"Chance is {wording.percent(known.chance)}; always predicting "
        f"{wording.plain(known.majority)} gets {wording.percent(known.majority_share)}."
    )


def _data_range(axes: Axes, along: Literal["x", "y"]) -> tuple[float, float]:
    limits = axes.dataLim
    return (limits.x0, limits.x1) if along == "x" else (limits.y0, limits.y1)
