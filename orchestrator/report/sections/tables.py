"""Tables of the report, for the page and for Markdown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.catalog import backbones
from jobs.spec.networks import Network
from jobs.store.records import TaskResult
from jobs.task import Trial
from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Table
from orchestrator.report.sections import data_source, data_values, memory, preparation


def networks(run_data: RunData) -> Table:
    """Each trial: number of parameters, initial weights, precision, threads and device."""
    rows, split = [], any(memory.told(result) for result in run_data.training.values())
    spec = run_data.run.spec
    varied = preparation.varies(spec)
    for name in sorted(
        run_data.trials, key=lambda n: (_order(run_data, n), run_data.trials[n].seed)
    ):
        trial, result = run_data.trials[name], run_data.training.get(name)
        used = (result.precision, result.threads, result.device) if result else (None,) * 3
        numerics = ["–" if each is None else str(each) for each in used]
        fitted = [memory.told(result) or "whole batches"] if split else []
        rows.append(
            (
                wording.title(run_data.label(name)),
                str(trial.seed),
                _parameters(run_data, trial.backbone),
                _initial_weights(trial),
                *([preparation.told(spec, trial.backbone)] if varied else []),
                *numerics,
                *fitted,
                name,
            )
        )
    head = (
        "Network",
        "Seed",
        "Parameters",
        "Starts from",
        *(["Images"] if varied else []),
        "Precision",
        "Threads",
        "Device",
        *(["Memory"] if split else []),
        "Trial",
    )
    numbers = (1, 2, 6 if varied else 5)
    return Table(head, tuple(rows), numbers, name="networks", title="Networks", style="long")


def _parameters(run_data: RunData, backbone: str) -> str:
    """The number of parameters with a head for the run's classes."""
    known = backbones.CATALOG.get(backbone)
    described = run_data.run.spec.networks.get(backbone, Network())
    counted = known.parameters(len(run_data.classes)) if known else described.parameters
    return "–" if counted is None else f"{counted:,}"


def _initial_weights(trial: Trial) -> str:
    if trial.network is not None and trial.network.weights is not None:
        return "own weights file"
    if trial.weights != "imagenet":
        return "random weights"
    return "ImageNet weights" if trial.backbone in backbones.CATALOG else "pretrained weights"


def data(run_data: RunData, duplicates: Mapping[str, int] | None) -> Table:
    """The data set: source, counts, split, skipped files."""
    spec, prepared = run_data.run.spec, run_data.prepared or TaskResult()
    rows = [
        *data_source.rows(run_data.source),
        ("Classes", f"{len(run_data.classes)}"),
        (
            "Images",
            f"{prepared.images:,}"
            if prepared.images is not None
            else "unknown: the data set is not prepared yet",
        ),
        (
            "Split",
            f"{split_counts(run_data) or '0 images'} ({data_source.split(spec, run_data.source)})",
        ),
        ("Broken files", _skipped(prepared)),
        *data_values.rows(prepared),
        ("Exact duplicates", _duplicates(duplicates)),
        ("Data set", run_data.run.data),
    ]
    caption = "Source, split and duplicates"
    return Table(("Fact", "Value"), tuple(rows), name="data", title=caption, style="pairs")


def split_counts(run_data: RunData) -> str:
    """Images of each split: `628 train, 100 validation, 193 test images`; empty if not known."""
    counts = Counter[str]()
    for of_class in run_data.images_by_class.values():
        counts.update(of_class)
    told = ", ".join(f"{counts[name]:,} {name}" for name in ("train", "validation", "test"))
    return f"{told} images" if counts else ""


def attempts(analysis: Analysis) -> Table | None:
    """Attempts by kind of task and result; None without records."""
    if not analysis.attempts:
        return None
    rows = tuple(
        (one.kind, one.state, one.failure, f"{one.attempts:,}") for one in analysis.attempts
    )
    return Table(
        ("Task", "State", "Failure", "Attempts"), rows, (3,), name="attempts", title="Attempts"
    )


def provenance(run_data: RunData) -> Table:
    """Provenance, as recorded at submission."""
    submitted = datetime.fromtimestamp(run_data.run.submitted_at, UTC).strftime(
        "%Y-%m-%d %H:%M:%S UTC"
    )
    rows = [
        ("run", run_data.run.name),
        ("submitted", submitted),
        ("data", run_data.run.data),
        *_fingerprint(run_data),
        *flat(_with_command_line(run_data.run.provenance)),
    ]
    return Table(
        ("What", "Value"), tuple(rows), name="provenance", title="Provenance", style="pairs mono"
    )


def _with_command_line(provenance: dict[str, Any]) -> dict[str, Any]:
    """The same, the command as it is typed."""
    words = provenance.get("command")
    return provenance | {"command": shlex.join(words)} if isinstance(words, list) else provenance


def _fingerprint(run_data: RunData) -> list[tuple[str, str]]:
    """The full fingerprint of the data set, if its inventory exists."""
    if run_data.source is None:
        return []
    return [
        (
            "data fingerprint (SHA-256)",
            run_data.source.fingerprint(run_data.run.spec.data_settings()),
        )
    ]


def _order(run_data: RunData, trial: str) -> int:
    return run_data.comparison.backbones.index(run_data.label(trial))


def _skipped(prepared: TaskResult) -> str:
    skipped: Sequence[str] = prepared.skipped or ()
    if not skipped:
        return "none"
    shown = ", ".join(wording.plain(path) for path in skipped[:20])
    more = f" and {len(skipped) - 20} more" if len(skipped) > 20 else ""
    return f"{wording.count(len(skipped), 'file')}: {shown}{more}"


def _duplicates(duplicates: Mapping[str, int] | None) -> str:
    if duplicates is None:
        return "unknown: no manifest"
    if not duplicates["groups"]:
        return "none"
    across = (
        "none in different splits"
        if not duplicates["across_splits"]
        else f"{wording.count(duplicates['across_splits'], 'group')} in different splits"
    )
    labels = (
        f"; {wording.count(duplicates['across_classes'], 'group')} in different classes"
        if duplicates["across_classes"]
        else ""
    )
    return (
        f"{wording.count(duplicates['images'], 'image')} in "
        f"{wording.count(duplicates['groups'], 'group')} with equal pixels; {across}{labels}"
    )


def flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested values as rows of text: `versions.torch`, `2.14.1`."""
    rows: list[tuple[str, str]] = []
    for key, value in sorted(values.items()):
        if isinstance(value, dict):
            rows += flat(value, f"{prefix}{key}.")
        else:
            shown = (
                ", ".join(map(str, value))
                if isinstance(value, list)
                else "–"
                if value is None
                else str(value)
            )
            rows.append((wording.plain(prefix + key), wording.plain(shown)))
    return rows
