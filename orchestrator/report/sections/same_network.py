"""The same network in two runs, compared."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.spec import setting
from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.multi_run import Contestant, NetworkAcross
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Heading, Part, Table, Text
from orchestrator.report.sections.significance import MAX_TESTS, TESTS


def parts(across: Sequence[NetworkAcross], metric: Metric) -> list[Part]:
    """Their tests, on the same test images; of many those with the lowest p-values."""
    exact = all(one.test.method == "mcnemar" for one in across)
    shown = list(across)
    if len(shown) > MAX_TESTS:
        shown = sorted(across, key=lambda one: one.test.p)[:MAX_TESTS]
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
    rows = tuple(_row(one, metric) for one in shown)
    return [
        Heading(title),
        Text(_told(len(shown), len(across), exact) + _split_told(across)),
        Table(head, rows, tuple(range(3, len(head))), name="across", title=title, style="long"),
    ]


def _told(shown: int, count: int, exact: bool) -> str:
    """What the rows are."""
    few = f" The {shown} rows with the lowest p-values, of {count:,}." if shown < count else ""
    return (
        "The same network in two runs, on the same test images, with its first seed. "
        f"{TESTS[exact].replace('random', 'Random')}, corrected over all rows (Holm).{few}"
    )


def _split_told(across: Sequence[NetworkAcross]) -> str:
    """Which of several splits the images are of."""
    sides = (side for one in across for side in (one.first.side, one.second.side))
    return " Of several splits, the first." if any(side.run_data.splits for side in sides) else ""


def _row(one: NetworkAcross, metric: Metric) -> tuple[str, ...]:
    """A test; a setting that both have stands with the network, others with their runs."""
    first, second, test = one.first, one.second, one.test
    same = first.common.label == second.common.label
    return (
        wording.title(first.common.label if same else one.backbone),
        _holder(first, not same),
        _holder(second, not same),
        *_counts(test),
        Cell(wording.signed_gap(metric, test.difference), test.difference),
        Cell(wording.gaps(metric, test.interval), test.interval.low),
        Cell(wording.p_value(test.p_holm), test.p_holm),
    )


def _holder(one: Contestant, with_setting: bool) -> str:
    """The runs that hold these trainings, with the setting where it tells them apart."""
    runs = wording.listed(one.runs)
    return f"{runs}: {setting.told(one.common.setting)}" if with_setting else runs


def _counts(test: PairwiseTest) -> list[Cell]:
    """Images that only one run's network has right; none where they are not right or wrong."""
    counts = (test.only_first, test.only_second)
    return [Cell(f"{count:,}", count) for count in counts if count is not None]
