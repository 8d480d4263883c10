"""Section: which networks stopped between periods, why, what it saved, and what tuning chose."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.catalog.metrics import METRICS
from jobs.spec.setting import value_told
from jobs.store.decisions import Choice, Rung
from orchestrator.analysis import racing
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Cell, Content, Part, Table, Text
from orchestrator.report.report_data import ReportData


def section(report: ReportData) -> Content | None:
    """Tables of the decisions; None where nothing was decided."""
    run_data = report.run_data
    if not run_data.decisions.made:
        return None
    tuned = racing.choices(run_data)
    parts: list[Part] = []
    if tuned:
        parts += [_ladder(run_data, tuned), *(Text(line) for line in tuning_told(tuned))]
    if any(made.look for made in run_data.decisions.made):
        parts += [_stops(run_data)] if racing.race_stops(run_data) else []
        parts.append(_looks(run_data))
    return Content(_lead(run_data), tuple(parts))


def _lead(run_data: RunData) -> str:
    """What was saved, and on which images it was decided."""
    saved, carried = racing.savings(run_data), run_data.decisions.carried_on
    said = (
        f"Decided on validation images, never on test images. {saved.saved:,} of "
        f"{saved.planned:,} image-epochs were not trained ({wording.percent(saved.share)}; "
        f"{saved.factor:.1f} times as many without decisions)."
    )
    if carried:
        said += " What had stopped was carried on later (orch resume --all)."
    if names := wording.listed([wording.title(name) for name in racing.unranked(run_data)]):
        said += f" Not ranked after the last period, as they were not trained so far: {names}."
    return said


def _stops(run_data: RunData) -> Table:
    rows = tuple(
        (
            wording.title(stop.contender.network),
            Cell(f"{stop.period} (epoch {stop.epoch})", stop.period),
            wording.title(stop.look.leader),
            Cell(wording.percent(stop.contender.accuracy), stop.contender.accuracy),
            Cell(wording.percent(stop.look.leader_accuracy), stop.look.leader_accuracy),
            _headed(stop.contender.forecast),
            _headed(stop.contender.leader_forecast),
            Cell(f"{stop.contender.only_own:,}", stop.contender.only_own),
            Cell(f"{stop.contender.only_leader:,}", stop.contender.only_leader),
            Cell(wording.p_value(stop.contender.p_corrected), stop.contender.p_corrected),
        )
        for stop in racing.race_stops(run_data)
    )
    head = (
        "Network",
        "Stopped after period",
        "Behind",
        "Validation accuracy",
        "That of the leader",
        "Forecast, at most",
        "The leader's",
        "Only it right",
        "Only the leader right",
        "p, corrected",
    )
    title = (
        "Networks that stopped: behind on validation images, and on no course past the leader by "
        "the last epoch"
    )
    return Table(head, rows, tuple(range(3, 10)), (), "race", title, "long")


def _headed(accuracy: float | None) -> Cell:
    """The accuracy that a curve leads to by the last epoch."""
    return Cell(wording.percent(accuracy), -1.0 if accuracy is None else accuracy)


def _looks(run_data: RunData) -> Table:
    rows: list[tuple[str, ...]] = []
    for made in run_data.decisions.made:
        if look := made.look:
            absent = wording.listed([wording.title(name) for name in look.absent])
            rows.append(
                (
                    Cell(f"{look.number} of {look.looks}", look.number),
                    Cell(str(made.epoch), made.epoch),
                    wording.title(look.leader) if look.leader else "",
                    Cell(f"{len(look.contenders) + bool(look.leader)}"),
                    Cell(f"{sum(each.stops for each in look.contenders)}"),
                    Cell(f"{look.images:,}", look.images),
                    absent or "none",
                )
            )
    head = ("Look", "Epoch", "Leader", "Compared", "Stopped", "Validation images", "Not compared")
    title = (
        "Looks of the race: one-sided McNemar's test against the leader, or over seeds and images "
        "with several seeds; corrected for rivals and looks, 5% for the whole race"
    )
    return Table(head, tuple(rows), (0, 1, 3, 4, 5), (), "looks", title, "long")


def _ladder(run_data: RunData, tuned: tuple[Choice, ...]) -> Table:
    """A row for each network and value, the chosen ones marked."""
    metric, key = METRICS[tuned[0].metric], tuned[0].key
    rows, best = list[tuple[str, ...]](), list[int]()
    for choice in tuned:
        for rung in sorted(choice.rungs, key=_place):
            best += [len(rows)] if rung.value == choice.chosen else []
            own = " (the recipe's)" if rung.value == choice.own else ""
            value = wording.metric(metric, rung.validation)
            rows.append(
                (
                    wording.title(choice.network),
                    Cell(f"{value_told(rung.value)}{own}"),
                    Cell(value if rung.state == "trained" else rung.state, rung.validation or -1.0),
                    Cell(wording.loss(rung.loss), -1.0 if rung.loss is None else rung.loss),
                    "goes on" if rung.value == choice.chosen else "stopped",
                )
            )
    noun = wording.noun(metric).removeprefix("test ")
    head = ("Network", key, f"Validation {noun}", "Validation loss", "")
    epoch = run_data.decisions.made[0].epoch
    title = f"Values of {key} after epoch {epoch}; the best by validation goes on"
    return Table(head, tuple(rows), (2, 3), tuple(best), "tuning", title, "long")


def _place(rung: Rung) -> tuple[float, str]:
    number = rung.value if isinstance(rung.value, int | float) else 0.0
    return float(number), value_told(rung.value)


def tuning_told(tuned: tuple[Choice, ...]) -> list[str]:
    """Whether the lead survives each network's own best value, and which values are at the edge."""
    key, said = tuned[0].key, list[str]()
    own = racing.leader_with(tuned, lambda choice: choice.own)
    best = racing.leader_with(tuned, lambda choice: choice.chosen)
    if len(tuned) > 1 and not own:
        said.append(f"With the recipe's own {key} no network could be validated.")
    elif len(tuned) > 1:
        survives = set(best) <= set(own)
        said.append(
            f"The lead {'survives' if survives else 'does not survive'}: by validation "
            f"{_leading(own)} with the recipe's own {key}, {'and' if survives else 'but'} "
            f"{_leading(best)} with each network's best value. These differences were not tested."
        )
    if edge := [wording.title(one.network) for one in tuned if racing.at_edge(one)]:
        said.append(
            f"At the edge of the values tried: {wording.listed(edge)}. A {key} beyond may be "
            f"better still; a list of values goes further."
        )
    return said


def _leading(names: Sequence[str]) -> str:
    """`ResNet34 leads`, or `ResNet34 and VGG16 share the lead`."""
    told = wording.listed([wording.title(name) for name in names])
    return f"{told} leads" if len(names) == 1 else f"{told} share the lead"
