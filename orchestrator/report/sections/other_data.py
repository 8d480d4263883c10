"""Section: the networks on other labelled data (`orch evaluate`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from jobs.statistics.interval import Interval
from orchestrator.analysis.other_data import OtherData, OtherNetwork
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Figures, Heading, Table, Text
from orchestrator.report.rendering.figure import Chart, draw_chart, title
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections.foremost import foremost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as FigureOfAxes

SHOWN = 8
HEAD = (
    "Network",
    "Accuracy",
    "95% interval",
    "Own test images",
    "Drop (points)",
    "Rank",
    "Own rank",
)


def section(report: ReportData) -> Content | None:
    """A table for each of the other data; None without any."""
    several, shown = report.run_data.other_data, foremost(report.run_data)
    if not several:
        return None
    lead = (
        "The trained networks on other labelled images, prepared as for their training. Classes "
        "are matched by name. Accuracies are means over seeds, and intervals are Wilson’s over "
        "the images. The own test images are those of the run, for the same trained networks."
    )
    parts: list[Heading | Text | Table | Figures] = []
    for place, other in enumerate(several, 1):
        parts += [Heading(other.record.name), Text(_about(other)), _table(place, other)]
        parts += elements.figures([_figure(place, other, shown)])
    return Content(lead, tuple(parts))


def _about(other: OtherData) -> str:
    """Where the data come from, and what of them does not match the run."""
    record = other.record
    told = [f"{record.origin}: {wording.count(other.tested, 'image')} tested."]
    if record.missing:
        told.append(f"No image there of {_few(record.missing)}.")
    if record.left_out:
        classes = [f"{label} ({count:,})" for label, count in record.left_out.items()]
        left_out = wording.count(sum(record.left_out.values()), "image")
        told.append(f"{left_out} of unknown classes left out: {_few(classes)}.")
    if record.broken:
        broken = wording.count(len(record.broken), "broken file")
        told.append(f"{broken} left out: {_few(record.broken)}.")
    if other.in_training:
        told.append(
            f"{wording.count(other.in_training, 'image')} of them are also training or validation "
            "images of the run (equal files), which flatters the networks."
        )
    return " ".join([*told, _ranking(other.networks)])


def _ranking(networks: Iterable[OtherNetwork]) -> str:
    """What changes in the ranking."""
    known = [one for one in networks if one.own_rank is not None]
    moved = [one for one in known if one.rank != one.own_rank]
    if len(known) < 2:
        return ""
    if not moved:
        return "The ranking is that on the own test images."
    changes = [f"{wording.title(one.backbone)} from {one.own_rank} to {one.rank}" for one in moved]
    return f"The ranking changes: {_few(changes)}."


def _table(place: int, other: OtherData) -> Table:
    best = min(one.rank for one in other.networks)
    rows = tuple(
        (
            wording.title(one.backbone),
            _share(one.accuracy),
            f"{wording.percent(one.interval.low)} to {wording.percent(one.interval.high)}",
            _share(one.own_accuracy),
            _points(one.drop),
            Cell(str(one.rank), one.rank),
            Cell("–" if one.own_rank is None else str(one.own_rank), one.own_rank or -1),
        )
        for one in other.networks
    )
    leading = tuple(at for at, one in enumerate(other.networks) if one.rank == best)
    title = f"Results on {other.record.name}"
    return Table(HEAD, rows, tuple(range(1, len(HEAD))), leading, f"other-data-{place}", title)


def _figure(place: int, other: OtherData, shown: Collection[str]) -> Chart | None:
    """Accuracy on the own test images against the other data; None where the own are unknown."""
    networks = [one for one in other.networks if one.backbone in shown]
    if not any(one.own_interval for one in networks):
        return None
    names = [wording.in_figure(one.backbone) for one in networks]

    def paint(figure: FigureOfAxes) -> None:
        axes = figure.add_subplot()
        for height, one in enumerate(networks):
            _dot(axes, one.backbone, height - 0.15, one.own_accuracy, one.own_interval, False)
            _dot(axes, one.backbone, height + 0.15, one.accuracy, one.interval, True)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", labelcolor=theme.INK)
        axes.set_xlabel("accuracy (%)")
        images = wording.count(other.tested, "image")
        title(axes, f"Own test images and {other.record.name}", f"{images} · bars: 95% interval")

    return draw_chart(
        f"other-data-{place}",
        f"Accuracy of {len(names)} networks on the own test images and on {other.record.name}",
        f"Hollow: on the own test images; filled: on {wording.plain(other.record.name)}. Each "
        "interval is over the images of its data.",
        (6.6, 1.25 + 0.42 * len(names)),
        paint,
    )


def _dot(
    axes: Axes,
    backbone: str,
    height: float,
    share: float | None,
    reach: Interval | None,
    filled: bool,
) -> None:
    """One accuracy with its interval, in per cent."""
    hue = theme.colour(backbone)
    if reach:
        ends = [100 * reach.low, 100 * reach.high]
        axes.plot(ends, [height] * 2, color=hue, linewidth=2 if filled else 1.2)
    if share is not None:
        face = hue if filled else theme.HOLLOW
        marker = theme.marker(backbone)
        axes.plot([100 * share], [height], marker=marker, color=hue, markerfacecolor=face)


def _share(value: float | None) -> Cell:
    return Cell(wording.percent(value), -1.0 if value is None else value)


def _points(drop: float | None) -> Cell:
    return Cell("–", -9.0) if drop is None else Cell(f"{100 * drop:.1f}", drop)


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"{', '.join(listed[:SHOWN])}{more}"
