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
            f"What would settle it: {first} and {second} have the same accuracy, and no number of "
            f"images makes a lead of that{_splits(run_data, one)}."
        )
    if one.enough_images is None and one.enough_seeds is None:
        return f"What would settle it: not {MAX_IMAGES:,} test images{_splits(run_data, one)}."
    return (
        f"What would settle it: {_ways(run_data, one)} for {wording.in_points(one.difference)} "
        f"between {first} and {second} ({POWER:.0%} power){_splits(run_data, one)}."
    )


def _ways(run_data: RunData, one: Settling) -> str:
    """`about 4,800 more test images (5,200 in all)`."""
    each = " a split" if run_data.splits else ""
    if one.enough_images is None and one.enough_seeds is not None:
        return f"{one.enough_seeds} seeds (more test images alone would not do)"
    ways = list[str]()
    if one.enough_images is not None:
        more = _about(one.enough_images - one.images)
        ways = [f"about {more:,} more test images{each} ({one.enough_images:,} in all)"]
    ways += [] if one.enough_seeds is None else [f"{one.enough_seeds} seeds"]
    return " or ".join(ways)


def _about(images: int) -> int:
    """A number of images to two digits, upwards."""
    unit: int = 10 ** max(0, len(str(images)) - 2)
    return -(-max(images, 1) // unit) * unit


def _splits(run_data: RunData, one: Settling) -> str:
    """The least difference that several splits of the same images would show."""
    if run_data.splits or one.visible_with_splits is None:
        return ""
    enough = ", enough" if one.splits_suffice else " or more"
    return f"; --splits {one.splits} shows {100 * one.visible_with_splits:.1f} points{enough}"
