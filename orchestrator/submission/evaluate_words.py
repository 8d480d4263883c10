"""A request to evaluate a run's networks on other labelled data, in words and as JSON values."""

from __future__ import annotations

from typing import Any

from jobs.store.runs import Run
from orchestrator.datasets import notes
from orchestrator.submission.evaluate import OtherRequest, few


def facts(asked: OtherRequest) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "goes_on": asked.repeated,
        "name": asked.record.name,
        "data_sets": list(asked.data_sets),
        "evaluations": [task.id for task in asked.tasks],
        "images": asked.record.images,
        "left_out": asked.record.left_out,
        "broken": asked.broken,
        "missing_classes": list(asked.record.missing),
        "in_training": asked.seen,
        "not_evaluated": list(asked.absent),
    }


def lines(run: Run, asked: OtherRequest) -> list[str]:
    """What will be evaluated on what, and what of it does not match the run."""
    told, total = asked.record, len(_tested_classes(asked))
    count = "" if told.images is None else f"{told.images:,} images of "
    again = " again" if asked.repeated else ""
    said = [
        f"run {run.name}: {len(asked.tasks)} network(s) are evaluated{again} on {told.name} "
        f"({told.origin}): {count}{total} class(es)",
    ]
    if told.missing:
        said.append(f"no image there of {len(told.missing)} class(es): {few(told.missing)}")
    if told.left_out:
        classes = [f"{label} ({count:,})" for label, count in told.left_out.items()]
        said.append(
            f"{sum(told.left_out.values()):,} images of unknown classes are left out: "
            f"{few(classes)}"
        )
    if asked.broken:
        said.append(f"note: {notes.broken(asked.broken, True)}")
    if asked.seen:
        said.append(
            f"caution: {asked.seen:,} images there are also training or validation images of the "
            "run (equal files)"
        )
    if asked.absent:
        said.append(f"not evaluated yet, and left out: {few(asked.absent)}")
    return said


def _tested_classes(asked: OtherRequest) -> list[str]:
    """The classes of the source that are tested."""
    return [label for label in asked.source.classes if label not in asked.record.left_out]
