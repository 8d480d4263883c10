"""The registry of report sections, in the order of the page.

The page, its contents, Markdown, LaTeX, figures and docs/report.md take their sections from
`SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.report.rendering.elements import Content, Section
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import (
    benchmarks,
    calibration,
    confusion,
    cost,
    data_set,
    decision,
    early_stopping,
    foretold,
    leaks,
    learning_curves,
    mistakes,
    other_data,
    provenance,
    racing,
    recipe,
    results,
    robustness,
    settings,
    significance,
    splits,
    timeline,
)


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """One section: its anchor in the page, title, what it shows, and the function that renders it.

    The function returns None where the run has nothing to show. `of_images`: it is of single images
    or of one data set, so that of several splits it shows the first.
    """

    name: str
    title: str
    help: str
    render: Callable[[ReportData], Content | None]
    of_images: bool = False


SECTIONS: dict[str, SectionEntry] = {
    entry.name: entry
    for entry in (
        SectionEntry(
            "decision",
            "Networks and their price",
            "each network with its interval, training time, energy, latency, size and licence",
            decision.section,
        ),
        SectionEntry(
            "results",
            "Results",
            "test accuracy, test loss and training time of each shown period, and every metric",
            results.section,
        ),
        SectionEntry(
            "settings",
            "Settings",
            "validation and test accuracy of each setting, and the best of each network by "
            "validation; in a grid",
            settings.section,
        ),
        SectionEntry(
            "race",
            "Race and tuning",
            "which networks and values stopped between periods, why, and what that saved; with "
            "`race` or `tune`",
            racing.section,
        ),
        SectionEntry(
            "certainty",
            "How sure one can be",
            "pairwise tests, and ranks over seeds; with two networks or more",
            significance.section,
        ),
        SectionEntry(
            "splits",
            "Splits",
            "the leading metric of each network on each split, and over all; with `splits`",
            splits.section,
        ),
        SectionEntry(
            "curves",
            "Learning curves",
            "training loss, validation loss and validation accuracy by epoch",
            learning_curves.section,
        ),
        SectionEntry(
            "confusion",
            "Confusion matrices",
            "true classes against predictions; with published predictions",
            confusion.section,
            of_images=True,
        ),
        SectionEntry(
            "classes",
            "Classes",
            "precision, recall and F1 of each class; with published predictions",
            mistakes.classes,
            of_images=True,
        ),
        SectionEntry(
            "mistakes",
            "Mistakes",
            "frequent confusions, images that one network or none got right, and agreement",
            mistakes.together,
            of_images=True,
        ),
        SectionEntry(
            "calibration",
            "Calibration",
            "whether confidence matches accuracy; with published predictions",
            calibration.section,
            of_images=True,
        ),
        SectionEntry(
            "corruptions",
            "Corrupted images",
            "accuracy by corruption and severity; with `corruptions`",
            robustness.section,
            of_images=True,
        ),
        SectionEntry(
            "other-data",
            "Other data",
            "accuracy on other labelled images, and the drop against the own; with `orch evaluate`",
            other_data.section,
            of_images=True,
        ),
        SectionEntry(
            "foretold",
            "Foretold",
            "how well a ranking by frozen features foretold the order; with `orch rank` before",
            foretold.section,
        ),
        SectionEntry(
            "cost",
            "Cost",
            "training time, speed, size, multiply-adds, memory and energy",
            cost.section,
        ),
        SectionEntry(
            "benchmarks",
            "Benchmarks",
            "latency, memory, size, and answers of ONNX Runtime and int8; with `orch bench`",
            benchmarks.section,
        ),
        SectionEntry(
            "stopping",
            "Early stopping",
            "the best epoch of each training, and what stopping there saves; from two epochs on",
            early_stopping.section,
            of_images=True,
        ),
        SectionEntry(
            "leaks",
            "Leaks between splits",
            "test images that are, or look like, training or validation images, and the result "
            "without them; where there are any",
            leaks.section,
        ),
        SectionEntry(
            "data",
            "Data",
            "source, split, duplicates and samples of the images",
            data_set.section,
            of_images=True,
        ),
        SectionEntry(
            "recipe",
            "Recipe and networks",
            "the settings of training, and the numerics of each trial",
            recipe.section,
        ),
        SectionEntry(
            "attempts",
            "Timeline",
            "who worked on what, and how attempts ended; with recorded attempts",
            timeline.section,
        ),
        SectionEntry(
            "provenance",
            "Provenance",
            "versions, machine and command line",
            provenance.section,
        ),
    )
}


def sections(report: ReportData) -> Iterator[Section]:
    """The sections that have something to show, in order."""
    for entry in SECTIONS.values():
        if content := entry.render(report):
            title = content.title or entry.title
            first = splits.shown(report.run_data) if entry.of_images else ""
            yield Section(entry.name, title, f"{first}{content.lead}", content.parts)
