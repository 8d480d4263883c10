"""A report's answer for a terminal: the first sentence, a table of the networks, a caution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.decision import Candidate
from orchestrator.analysis.run_data import RunData
from orchestrator.formatting import plain
from orchestrator.report import decision_words, first_sentence, headline
from orchestrator.report.rendering import wording

SHOWN = 12


def lines(run_data: RunData, analysis: Analysis) -> Iterator[str]:
    """What the comparison shows, the networks, best first, and what is held against it."""
    told = headline.compose(run_data, analysis)
    yield plain(told.answer)
    if told.decision:
        yield from map(plain, decision_words.sureness(run_data, analysis))
    elif within := first_sentence.noninferior(run_data, analysis):
        yield plain(within)
    candidates = analysis.decision.candidates if analysis.decision else ()
    if candidates:
        yield from _table(run_data, candidates[:SHOWN])
    if len(candidates) > SHOWN:
        yield f"and {len(candidates) - SHOWN} more, in the report"
    if told.cautions:
        held = wording.count(len(told.cautions), "caution")
        yield f"{held} in the report, the first: {plain(told.cautions[0])}"
    yield from map(plain, told.missing[:1])


def _table(run_data: RunData, candidates: Sequence[Candidate]) -> Iterator[str]:
    metric = run_data.metric
    rows: list[tuple[str, ...]] = [("network", metric.title.lower(), "95% interval", "training")]
    for one in candidates:
        interval = "" if one.interval is None else wording.range_of(metric, one.interval)
        cells = (one.backbone, wording.metric(metric, one.value), interval)
        rows.append((*map(plain, cells), wording.duration(one.seconds)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *figures in rows:
        right = (text.rjust(width) for text, width in zip(figures, widths[1:], strict=True))
        yield "  ".join((name.ljust(widths[0]), *right)).rstrip()
