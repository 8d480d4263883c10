"""Inspect a data folder before training: classes, formats, broken files, what is odd."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.data import file_kinds, image_folder
from jobs.data.image_folder import DataSource, ImageFile
from jobs.spec.model import DataSettings
from orchestrator.datasets import findings, notes

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
    """The contents of a folder. `decoded`: images were decoded, not just recognised.

    `duplicates` are groups of paths with equal contents; `contradictions` groups of equal images in
    several classes. `notes` are the findings as lines; for the others see `findings.Findings`.
    """

    folder: str
    files: int
    bytes: int
    classes: dict[str, int]
    formats: dict[str, int]
    broken: dict[str, str]
    duplicates: list[list[str]]
    contradictions: list[list[str]]
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


def inspect_folder(
    where: Path,
    tell: Callable[[int, int], None] = lambda done, total: None,
    settings: DataSettings | None = None,
    classes_at_top: bool = False,
) -> Inspection:
    """Inspect a folder; `tell(done, total)` counts each file twice. Raises `BadFolder`.

    The split and the range of values are those of `settings`.
    """
    source = image_folder.read_folder(
        where, lambda done, total: tell(done, 2 * total), classes_at_top
    )
    found = findings.find(
        source, settings or DataSettings(), lambda done, total: tell(total + done, 2 * total)
    )
    if not found.looked:
        _recognise(source, found)
    return Inspection(
        folder=source.origin,
        files=len(source.entries),
        bytes=sum(entry.bytes for entry in source.entries),
        classes=dict(Counter(entry.label for entry in source.entries)),
        formats=found.formats,
        broken=found.broken,
        duplicates=[[entry.path for entry in group] for group in _duplicates(source)],
        contradictions=found.contradictions,
        decoded=found.looked,
        beside=found.beside,
        alike_classes=found.alike_classes,
        own_split=found.own_split,
        no_test_image=found.no_test_image,
        one_colour=found.one_colour,
        low_contrast=found.low_contrast,
        frames=found.frames,
        near_duplicates=found.near_duplicates,
        across_splits=found.across_splits,
        value_range=found.value_range,
        notes=notes.lines(found),
    )


def _duplicates(source: DataSource) -> list[list[ImageFile]]:
    groups: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for entry in source.entries:
        groups[entry.sha256].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _recognise(source: DataSource, found: findings.Findings) -> None:
    """Record formats and files of other kinds by their first bytes, without Pillow."""
    formats: Counter[str] = Counter()
    for entry in source.entries:
        with (Path(source.origin) / entry.path).open("rb") as handle:
            head = handle.read(file_kinds.HEAD_BYTES)
        kind = next((kind for start, kind in SIGNATURES.items() if head.startswith(start)), "")
        foreign = file_kinds.name_foreign(head)
        if foreign or not kind:
            found.broken[entry.path] = foreign or "not an image (by its first bytes)"
        else:
            formats[kind] += 1
    found.formats = dict(formats.most_common())
