"""Example images with the predictions of every network."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.examples import KINDS, Example
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import Cards, Fold, Text
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.sections import images
from orchestrator.report.sections.foremost import MAX_NETWORKS, foremost, limit_told


def folded(run_data: RunData, analysis: Analysis, gallery: Gallery) -> list[Fold]:
    """The chosen examples under one title; empty if there are none."""
    tally = analysis.kinds
    chosen = of_networks(analysis.chosen, foremost(run_data))
    if not chosen:
        return []
    seeds = ", by each network’s first seed" if run_data.run.spec.seeds > 1 else ""
    right, wrong, split = (tally[kind] for kind in (KINDS[0], KINDS[2], KINDS[1]))
    lead = (
        f"After epoch {analysis.epoch}{seeds}: of "
        f"{wording.count(sum(tally.values()), 'test image')} {right:,} are correct with all "
        f"networks and {wrong:,} with none; on {split:,} they disagree. The images below are "
        "chosen by a hash of their names, not by hand. ✓ correct, ✗ wrong; the percentage is the "
        f"network’s confidence. {limit_told(run_data)}".rstrip()
    )
    pictures = Text(
        "The prepared pixels are not in this store, so the predictions stand without their "
        "pictures."
    )
    absent = [] if gallery.rows else [pictures]
    cards = Cards(chosen, images.answer_sheet(gallery, chosen), grouped=True)
    shown = wording.count(len(chosen), "test image")
    every = "every network’s prediction"
    if len(run_data.comparison.backbones) > MAX_NETWORKS:
        every = f"the predictions of the {MAX_NETWORKS} best networks"
    return elements.fold(f"{shown} with {every}", Text(lead), *absent, cards)


def of_networks(shown: Iterable[Example], names: Collection[str]) -> tuple[Example, ...]:
    """The examples with the predictions of these networks only."""
    return tuple(
        replace(one, answers=tuple(each for each in one.answers if each.backbone in names))
        for one in shown
    )
