"""Section: the results of each shown period, and the accuracy of each network."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import (
    Heading,
    Part,
    Section,
)
from orchestrator.report.sections import learning_curves, tables


def section(run_data: RunData) -> Section:
    """A table per shown period, and a figure of all accuracies."""
    several = (
        "Each figure is the mean over the evaluated seeds, with its sample deviation and "
        "Student’s 95% interval of the mean. The counts of each seed are in report.json."
    )
    single = (
        "Percentages of test accuracy are rounded down; the counts are exact. The interval is "
        "Wilson’s."
    )
    told = several if run_data.run.spec.seeds > 1 else single
    lead = (
        f"Test loss is the mean cross entropy in nats per image. {told} Training time is the wall "
        "time of the period’s epochs."
    )
    built: list[Part] = []
    for number in run_data.periods:
        built += [
            Heading(
                f"{learning_curves.period_title(run_data, number)}, "
                f"{learning_curves.stretch_of(run_data, number)}"
            ),
            tables.study(run_data, number),
        ]
    return Section(
        "results",
        "Results",
        lead,
        (*built, *elements.figures([learning_curves.accuracies(run_data)])),
    )
