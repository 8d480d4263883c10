"""Networks that may be at most a margin worse than the best."""

from __future__ import annotations

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Table, Text


def parts(run_data: RunData, analysis: Analysis) -> tuple[str, Text, Table]:
    """A title, what the test says, and a row for each network against the best."""
    metric, margin = run_data.metric, wording.margin(run_data.metric, analysis.margin or 0.0)
    over = "seeds and images" if run_data.run.spec.seeds > 1 else "images, with one seed each"
    if run_data.splits:
        over = "splits (corrected resampled t-test)"
    text = Text(
        f"Is a network at most {margin} of {wording.noun(metric)} worse than the best? A one-sided "
        f"test over {over}; p-values are corrected for all rows (Holm). Below zero a network is "
        "worse; with 95% confidence it is not below the bound."
    )
    rows = tuple(
        (
            wording.title(one.backbone),
            wording.title(one.reference),
            Cell(wording.signed_gap(metric, one.gain), one.gain),
            Cell(wording.signed_gap(metric, one.bound), one.bound),
            Cell(wording.p_value(one.p), one.p),
            Cell(wording.p_value(one.p_holm), one.p_holm),
            "yes" if one.shown else "no",
        )
        for one in analysis.noninferior
    )
    title = f"At most {margin} worse than the best"
    head = ("Network", "against", "Better by", "95% bound", "p", "p (Holm)", "Shown")
    table = Table(head, rows, (2, 3, 4, 5), name="noninferior", title=title, style="long")
    return title, text, table
