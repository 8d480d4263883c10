"""Small folders of files with tables of labels beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.data import sources
from jobs.data.data_source import DataSource
from jobs.data.request import DataRequest

ANIMALS = ("ape", "bear")


def files(where: Path, *paths: str) -> Path:
    """Files below a folder, each holding its own path."""
    for path in paths:
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(path.encode())
    return where


def table(file: Path, rows: Sequence[Sequence[str]], separator: str = ",") -> Path:
    """A table whose first row is the header; the files that it names lie beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files(file.parent, *(row[0] for row in rows[1:]))
    file.write_text("".join(separator.join(row) + "\n" for row in rows))
    return file


def listed(place: Path, **asked: Any) -> DataSource:
    """What a place holds, without checksums."""
    return sources.list_source(DataRequest(place, **asked))


def told(source: DataSource) -> list[tuple[str, str, str | None, str | None]]:
    """Path, class, split and group of each file."""
    return [(e.path, e.label, e.given_split, e.group) for e in source.entries]
