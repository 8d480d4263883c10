"""Inspect a data folder before training: classes, formats, broken files, duplicates."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobs.data import image_folder
from jobs.data.image_folder import DataSource, ImageFile

SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"RIFF": "WEBP",
}

PROGRAMS = ("EPS", "WMF")


@dataclass(frozen=True, slots=True)
class Inspection:
    """The contents of a folder. `decoded`: images were decoded, not just recognised.

    `duplicates` are groups of paths with equal contents; `contradictions` those in several classes.
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


def inspect_folder(
    where: Path, tell: Callable[[int, int], None] = lambda done, total: None
) -> Inspection:
    """Inspect a folder; `tell(done, total)` counts each file twice. Raises `BadFolder`."""
    source = image_folder.read_folder(where, lambda done, total: tell(done, 2 * total))
    decoded = importlib.util.find_spec("PIL") is not None
    look = _decode if decoded else _signature
    formats: Counter[str] = Counter()
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(lambda entry: look(where / entry.path), source.entries)
        for number, (entry, (kind, fault)) in enumerate(zip(source.entries, found, strict=True)):
            tell(len(source.entries) + number + 1, 2 * len(source.entries))
            if fault:
                broken[entry.path] = fault
            else:
                formats[kind] += 1
    duplicates = _duplicates(source)
    return Inspection(
        source.origin,
        len(source.entries),
        sum(entry.bytes for entry in source.entries),
        dict(Counter(entry.label for entry in source.entries)),
        dict(formats.most_common()),
        broken,
        [[entry.path for entry in group] for group in duplicates],
        [
            [entry.path for entry in group]
            for group in duplicates
            if len({entry.label for entry in group}) > 1
        ],
        decoded,
    )


def _duplicates(source: DataSource) -> list[list[ImageFile]]:
    groups: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for entry in source.entries:
        groups[entry.sha256].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _decode(path: Path) -> tuple[str, str]:
    """Name of the format, and the fault of the file, or an empty text."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            if image.format in PROGRAMS:
                return "", f"{image.format} is a page description, not an image"
            image.load()
            return image.format or "unknown", ""
    except UnidentifiedImageError:
        return "", "not an image"
    except Exception as error:  # Pillow may raise any error for broken files
        return "", " ".join(str(error).split()) or type(error).__name__


def _signature(path: Path) -> tuple[str, str]:
    """What `_decode` returns, from the first bytes of the file alone."""
    with path.open("rb") as handle:
        first = handle.read(16)
    kind = next((kind for signature, kind in SIGNATURES.items() if first.startswith(signature)), "")
    return kind, "" if kind else "not an image (by its first bytes)"
