"""Section: the results of each shown period, and the accuracy of each network."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import Part, Section
from orchestrator.report.sections import learning_curves, tables


def section(run_data: RunData) -> Section:
    """The compared period's table, a figure of all accuracies, and the other shown periods."""
    several = (
        " Each figure is the mean over the seeds that were tested, ± is the sample deviation; "
        "each seed's counts are in report.json."
        if run_data.run.spec.seeds > 1
        else ""
    )
    lead = (
        "Test accuracy is the share of test images predicted correctly; its 95% interval (Wilson) "
        "speaks of other images, not of other seeds. Test loss is the mean cross entropy in nats "
        f"an image, training time the wall time of the period’s epochs.{several}"
    )
    last, *earlier = sorted(run_data.periods, reverse=True)
    built: list[Part] = [
        tables.study(run_data, last),
        *elements.figures([learning_curves.accuracies(run_data)]),
    ]
    for number in earlier:
        table = tables.study(run_data, number)
        built += elements.fold(table.title, table)
    return Section("results", "Results", lead, tuple(built))
