"""What would settle which network is better, in a sentence."""

from __future__ import annotations

from orchestrator.analysis.power import MAX_IMAGES, POWER
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.settling import Settling
from orchestrator.report.rendering import wording


def sentence(run_data: RunData, one: Settling | None) -> str:
    """How many images, seeds or splits would show the difference seen; empty without a question."""
    if one is None or not run_data.better_than_guessing:
        return ""
    first, second = wording.title(one.first), wording.title(one.second)
    if not one.difference:
        return (
            f"What would settle it: {first} and {second} have the same accuracy, which no number "
            f"of images turns into a lead. {_now(one)}{_splits(run_data, one)}."
        )
    gap = wording.in_points(one.difference)
    corrected = f", after correction for {one.pairs} pairs" if one.pairs > 1 else ""
    return (
        f"What would settle it: to tell {first} from {second}, {gap} apart as here, takes "
        f"{_ways(run_data, one)}: that finds it with {POWER:.0%} power{corrected}. "
        f"{_now(one)}{_splits(run_data, one)}."
    )


def _ways(run_data: RunData, one: Settling) -> str:
    """`about 4,800 more test images (5,200 in all)`."""
    each = " a split" if run_data.splits else ""
    if one.enough_images is None and one.enough_seeds is not None:
        return f"{one.enough_seeds} seeds (more test images alone would not do)"
    ways = [f"more than {MAX_IMAGES:,} test images{each}"]
    if one.enough_images is not None:
        more = max(one.enough_images - one.images, 1)
        ways = [f"about {more:,} more test images{each} ({one.enough_images:,} in all)"]
    ways += [] if one.enough_seeds is None else [f"{one.enough_seeds} seeds"]
    return " or ".join(ways)


def _now(one: Settling) -> str:
    if one.visible is None:
        return "The results of now can show no difference"
    return f"The results of now show differences from {wording.in_points(one.visible)} on"


def _splits(run_data: RunData, one: Settling) -> str:
    """What several splits of the same images would show."""
    if run_data.splits or one.visible_with_splits is None:
        return ""
    enough = "would do" if one.splits_suffice else "would not do"
    least = wording.in_points(one.visible_with_splits)
    return f"; --splits {one.splits} shows them from {least} on, which {enough}"
