"""Section: the networks on other labelled data (`orch evaluate`)."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.analysis.other_data import OtherData, OtherNetwork
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Heading, Table, Text
from orchestrator.report.report_data import ReportData

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
    several = report.run_data.other_data
    if not several:
        return None
    lead = (
        "The trained networks on other labelled images, prepared as for their training. Classes "
        "are matched by name. Accuracies are means over seeds, and intervals are Wilson’s over "
        "the images. The own test images are those of the run, for the same trained networks."
    )
    parts: list[Heading | Text | Table] = []
    for place, other in enumerate(several, 1):
        parts += [Heading(other.record.name), Text(_about(other)), _table(place, other)]
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


def _share(value: float | None) -> Cell:
    return Cell(wording.percent(value), -1.0 if value is None else value)


def _points(drop: float | None) -> Cell:
    return Cell("–", -9.0) if drop is None else Cell(f"{100 * drop:.1f}", drop)


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"{', '.join(listed[:SHOWN])}{more}"
