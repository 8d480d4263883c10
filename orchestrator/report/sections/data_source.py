"""Rows of the report: where the images come from, and who split them."""

from __future__ import annotations

from typing import Any

from jobs.data.data_source import CLASS_FOLDERS, DataSource
from jobs.data.sources import LAYOUTS
from jobs.spec.model import Spec
from orchestrator.report.rendering import wording


def rows(source: DataSource | None) -> list[tuple[str, str]]:
    """The folder of the images, what kind of source it is, and the file of the labels."""
    if source is None:
        return [("Source", "unknown")]
    told = [("Source", wording.plain(source.origin))]
    if source.layout != CLASS_FOLDERS and source.layout in LAYOUTS:
        told.append(("Kind of source", LAYOUTS[source.layout].words))
    if source.labels is not None:
        told.append(("Labels", wording.plain(source.labels)))
    return told


def facts(source: DataSource | None) -> dict[str, Any]:
    """The same as JSON values: `origin`, and what differs from a folder of class folders."""
    if source is None:
        return {"origin": None}
    told = {
        "layout": source.layout if source.layout != CLASS_FOLDERS else None,
        "labels": source.labels,
        "split_given": source.split_given or None,
        "groups": source.groups or None,
    }
    return {"origin": source.origin} | {key: value for key, value in told.items() if value}


def split(spec: Spec, source: DataSource | None) -> str:
    """How the images were split: `given by the data`, `70 : 10 : 20 by class, seed 0`."""
    seed = f"seed {spec.split_seed}"
    groups = wording.count(source.groups, "group") if source and source.groups else ""
    if source is None or not source.split_given:
        kept = f", {groups} kept whole" if groups else ""
        return f"{' : '.join(map(str, spec.split))} by class, {seed}{kept}"
    if source.validation_given:
        return "given by the data"
    kept = f", {groups} kept whole there" if groups else ""
    return f"given by the data; a tenth of its training images for validation, {seed}{kept}"
