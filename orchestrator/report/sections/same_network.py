"""The same network in two runs, compared."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.multi_run import NetworkAcross
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Heading, Part, Table, Text
from orchestrator.report.sections.significance import TESTS


def parts(across: Sequence[NetworkAcross], metric: Metric) -> list[Part]:
    """Their tests, on the same test images."""
    exact = all(one.test.method == "mcnemar" for one in across)
    rows = tuple(
        (
            wording.title(one.backbone),
            one.test.first,
            one.test.second,
            *_counts(one.test),
            Cell(wording.signed_gap(metric, one.test.difference), one.test.difference),
            Cell(wording.gaps(metric, one.test.interval), one.test.interval.low),
            Cell(wording.p_value(one.p_holm), one.p_holm),
        )
        for one in across
    )
    head = (
        "Network",
        "in",
        "against",
        *(("only the first correct", "only the second") if exact else ()),
        "Difference",
        "95% interval",
        "p (Holm)",
    )
    title = "The same network in two runs"
    return [
        Heading(title),
        Text(
            "The same network in two runs, on the same test images, with its first seed. "
            f"{TESTS[exact].replace('random', 'Random')}, corrected over all rows (Holm)."
        ),
        Table(head, rows, tuple(range(3, len(head))), name="across", title=title, style="long"),
    ]


def _counts(test: PairwiseTest) -> list[Cell]:
    """Images that only one run's network has right; none where they are not right or wrong."""
    counts = (test.only_first, test.only_second)
    return [Cell(f"{count:,}", count) for count in counts if count is not None]
