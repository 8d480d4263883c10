"""Section: timeline of the run, with failed attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.timeline import AttemptSpan, Timeline, covered
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Table
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SPANS = 2000
UNITS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def section(report: ReportData) -> Content | None:
    """Attempts by kind and worker, and the timeline; None without records."""
    timeline, counted = report.analysis.timeline, tables.attempts(report.analysis)
    if counted is None:
        return None
    built = elements.fold(
        "Who worked on what, and how attempts ended",
        *elements.figures([_gantt(timeline)], style="wide"),
        *_hardware(timeline),
        counted,
    )
    return Content(_lead(timeline), tuple(built))


def _lead(timeline: Timeline) -> str:
    if not timeline.spans or timeline.began is None:
        return "Number of attempts at each kind of task, and how they ended."
    waited = (
        ""
        if timeline.waited is None
        else f"; a task waited {wording.duration(timeline.waited)} in the queue on average"
    )
    faults = (
        "No attempt failed."
        if not timeline.faults
        else f"{wording.count(timeline.faults, 'attempt')} failed; {timeline.survived} of them "
        "belong to tasks that were completed later."
    )
    began = timeline.began.strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{wording.count(len(timeline.spans), 'attempt')} by "
        f"{wording.count(len(timeline.workers), 'worker')} from {began} over "
        f"{wording.duration(timeline.span)} ({wording.duration(timeline.busy)} of work){waited}. "
        f"{faults} Attempts at trials shared with other runs are included."
    )


def _hardware(timeline: Timeline) -> list[Table]:
    """Workers: machine, device, attempts and busy time."""
    if not timeline.spans:
        return []
    rows = []
    for place in sorted({(s.worker, s.host, s.device) for s in timeline.spans}):
        own = [s for s in timeline.spans if (s.worker, s.host, s.device) == place]
        busy, lost = covered(own), sum(s.state != "done" for s in own)
        share = wording.percent(busy / timeline.span if timeline.span else 0.0, 0)
        rows.append(
            (
                *map(wording.plain, place),
                Cell(f"{len(own):,}", len(own)),
                Cell(f"{lost:,}", lost),
                Cell(wording.duration(busy), busy),
                Cell(share, busy),
            )
        )
    head = ("Worker", "Host", "Device", "Attempts", "Not done", "Busy", "Share of the run")
    return [Table(head, tuple(rows), (3, 4, 5, 6), name="workers", title="Workers", style="long")]


def _gantt(timeline: Timeline) -> Chart | None:
    if not timeline.spans or len(timeline.spans) > MAX_SPANS or timeline.span <= 0:
        return None
    lines = {worker: row for row, worker in enumerate(timeline.workers)}
    scale, unit = next((size, name) for least, size, name in UNITS if timeline.span >= least)

    def paint(figure: Figure) -> None:
        axes, seen = figure.add_subplot(), set[str]()
        for span in timeline.spans:
            label = wording.in_figure(span.backbone) if span.backbone else "preparing data"
            _bar(axes, span, lines[span.worker], scale, label if label not in seen else "")
            seen.add(label)
        axes.set_yticks(range(len(lines)), wording.short(list(lines), 20))
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_xlim(0, timeline.span / scale * 1.01)
        axes.grid(False, axis="y")
        axes.set_xlabel(f"{unit} since the first attempt")
        title(
            axes,
            "Who worked on what",
            f"{len(timeline.spans):,} attempts · thin: tests · crosses: attempts that did not end "
            f"well",
        )
        legend_below(figure, axes)

    return draw_chart(
        "timeline",
        f"Timeline of {len(timeline.spans)} attempts by {len(lines)} workers",
        "",
        (8.6, min(14.0, 1.7 + 0.42 * len(lines))),
        paint,
    )


def _bar(axes: Axes, span: AttemptSpan, row: int, scale: float, label: str) -> None:
    colour = theme.colour(span.backbone) if span.backbone else theme.MUTED
    axes.barh(
        row,
        max(span.end - span.start, 1e-9) / scale,
        left=span.start / scale,
        color=colour,
        height=0.3 if span.kind == "evaluate" else 0.66,
        edgecolor=theme.HOLLOW,
        linewidth=0.5,
        label=label or None,
    )
    if span.state != "done":
        axes.plot(
            [span.end / scale],
            [row],
            marker="x",
            color=theme.WRONG,
            markersize=7,
            markeredgewidth=2,
        )
