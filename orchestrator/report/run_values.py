"""What several runs differ in: the values of their specifications, data, versions and hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.spec.networks import COUNTED
from jobs.spec.setting import GRID, value_told
from orchestrator.analysis.multi_run import ComparedRun
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Section, Table

UNTOLD = {"name", "command", "user"}
NETWORKS = "networks"


def differing(sides: Sequence[ComparedRun]) -> tuple[list[dict[str, Any]], int]:
    """For each run its values where the runs differ, None for one that it lacks.

    And the number of the values that are the same in all of them.
    """
    shared = set.intersection(*(set(side.run_data.run.spec.backbones) for side in sides))
    told = [_facts_of(side, shared) for side in sides]
    keys = sorted({key for facts in told for key in facts})
    apart = [key for key in keys if any(f.get(key) != told[0].get(key) for f in told)]
    return [{key: facts.get(key) for key in apart} for facts in told], len(keys) - len(apart)


def section(sides: Sequence[ComparedRun], told: Sequence[Mapping[str, Any]], same: int) -> Section:
    """The differences as a table with a column for each run."""
    rows = tuple((key, *(_shown(facts[key]) for facts in told)) for key in told[0])
    lead = f"Specification, data and versions. {same} other values are the same in all runs."
    table = Table(
        ("What", *(side.name for side in sides)),
        rows or (("nothing", *("" for _ in sides)),),
        name="differences",
        title="Differences between the runs",
        style="unsorted",
    )
    return Section("differences", "Differences", lead, (table,))


def _facts_of(side: ComparedRun, shared: set[str]) -> dict[str, Any]:
    """The values of a run by key, such as `spec.learning_rate`; of `shared` networks also those."""
    run, prepared = side.run_data.run, side.run_data.prepared
    asked = _with_lists(run.spec.model_dump(mode="json"))
    networks = {name: _with_lists(own) for name, own in asked.pop(NETWORKS).items()}
    described = {
        name: {key: value for key, value in own.items() if key not in COUNTED}
        for name, own in networks.items()
        if name in shared
    }
    made = {key: value for key, value in run.provenance.items() if key not in UNTOLD}
    data = {
        "name": run.data,
        "images": prepared.images if prepared else None,
        "classes": len(side.run_data.classes),
        "margin": run.spec.with_margin,
    }
    hardware = sorted({f"{s.host} {s.device}" for s in side.analysis.timeline.spans})
    spec = {key: value for key, value in asked.items() if key not in UNTOLD}
    return flat(
        {
            "spec": {**spec, NETWORKS: described},
            "data": data,
            "made by": made,
            "ran on": hardware,
        }
    )


def _with_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the lists of a grid in place of their first values."""
    lists = values.get(GRID) or {}
    return {key: lists.get(key, value) for key, value in values.items() if key != GRID} | lists


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values under one key each, such as `versions.torch`; none where there is no value."""
    told: dict[str, Any] = {}
    for key, value in sorted(values.items()):
        if isinstance(value, dict):
            told |= flat(value, f"{before}{key}.")
        elif value is not None:
            told[f"{before}{key}"] = value
    return told


def _shown(value: Any) -> str:
    """A value in a cell."""
    if value is None or value == []:
        return "–" if value is None else "none"
    several = value if isinstance(value, list) else [value]
    return wording.plain(", ".join(value_told([each]) for each in several))
