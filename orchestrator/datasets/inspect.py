"""Inspect data before training: classes, formats, broken files, what is odd."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jobs.data import file_kinds
from jobs.data.data_source import DataSource, ImageFile
from jobs.spec.model import DataSettings
from orchestrator.datasets import findings, notes
from orchestrator.datasets.findings import Findings

SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"RIFF": "WEBP",
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a source holds. `decoded`: images were decoded, not just recognised.

    `layout` says what kind of source it is, `labels` which file the labels came from, and `groups`
    how many groups of images belong together. `duplicates` are groups of paths with equal
    contents; `contradictions` groups of equal images in several classes. `notes` are the findings
    as lines; for the others see `findings.Findings`.
    """

    folder: str
    layout: str
    labels: str | None
    files: int
    bytes: int
    groups: int
    classes: dict[str, int]
    by_split: dict[str, dict[str, int]]
    split_given: bool
    formats: dict[str, int]
    sizes: dict[str, list[int]]
    modes: dict[str, int]
    depths: dict[str, int]
    broken: dict[str, str]
    duplicates: list[list[str]]
    contradictions: list[list[str]]
    equal_across_splits: list[list[str]]
    groups_across_splits: dict[str, dict[str, int]]
    decoded: bool
    beside: list[str]
    alike_classes: list[list[str]]
    own_split: list[str]
    no_test_image: list[str]
    one_colour: list[str]
    low_contrast: list[str]
    frames: dict[str, str]
    near_duplicates: list[list[str]]
    across_splits: list[list[str]]
    value_range: dict[str, Any] | None
    notes: list[str]


FROM_FINDINGS = {field.name for field in fields(Findings)} - {"looked", "remarks"}


def inspect_source(
    source: DataSource,
    settings: DataSettings,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Inspection:
    """Inspect the images of a source; `tell(done, total)` counts them.

    The split and the range of values are those of `settings`.
    """
    source_findings = findings.find(source, settings, tell)
    if not source_findings.looked:
        _recognise(source, source_findings)
    return Inspection(
        folder=source.origin,
        layout=source.layout,
        labels=source.labels,
        files=len(source.entries),
        bytes=sum(entry.bytes for entry in source.entries),
        groups=source.groups,
        classes=dict(Counter(entry.label for entry in source.entries)),
        split_given=source.split_given,
        duplicates=[[entry.path for entry in group] for group in _duplicates(source)],
        decoded=source_findings.looked,
        notes=notes.lines(source_findings),
        **{name: getattr(source_findings, name) for name in FROM_FINDINGS},
    )


def _duplicates(source: DataSource) -> list[list[ImageFile]]:
    groups: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for entry in source.entries:
        groups[entry.sha256].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _recognise(source: DataSource, source_findings: Findings) -> None:
    """Record formats and files of other kinds by their first bytes, without Pillow."""
    formats: Counter[str] = Counter()
    for entry in source.entries:
        with (Path(source.origin) / entry.path).open("rb") as handle:
            head = handle.read(file_kinds.HEAD_BYTES)
        kind = next((kind for start, kind in SIGNATURES.items() if head.startswith(start)), "")
        foreign = file_kinds.name_foreign(head)
        if foreign or not kind:
            source_findings.broken[entry.path] = foreign or "not an image (by its first bytes)"
        else:
            formats[kind] += 1
    source_findings.formats = dict(formats.most_common())
