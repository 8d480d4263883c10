"""Hugging Face's image folder: a `metadata.csv` or `metadata.jsonl` beside the images."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

from jobs.data import given_split, image_folder, labels_layout, read_labels, split_folders
from jobs.data.data_source import DataSource
from jobs.data.labels_layout import TablePart
from jobs.data.read_labels import LabelTable
from jobs.data.request import DataRequest
from jobs.errors import BadFolder

NAME = "metadata-folder"
FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def recognised(request: DataRequest) -> bool:
    """Whether a folder, or its folders of splits, holds metadata with file names and labels.

    Or metadata beside which there are no folders, so that nothing else can tell the classes.
    """
    if request.classes_at_top or not request.place.is_dir():
        return False
    files = _metadata(request.place)
    return any(map(_names_images, files)) or any(map(_is_alone, files))


def list_source(request: DataRequest) -> DataSource:
    """Classes and files that the metadata name; raises `BadFolder`."""
    place = request.place
    by_folder: dict[Path, Path] = {}
    for file in _metadata(place):
        if file.parent in by_folder:
            raise BadFolder(
                f"{by_folder[file.parent]} and {file.name} are both there. Remove one of them."
            )
        by_folder[file.parent] = file
    if place in by_folder and len(by_folder) > 1:
        raise BadFolder(
            f"{place} holds metadata itself and in its folders. Remove {by_folder[place].name}, or "
            "the others."
        )
    parts = [
        TablePart(read_labels.read(file), folder, given_split.named(folder.name))
        for folder, file in by_folder.items()
    ]
    if place in by_folder:
        parts = [_split_by_folder(replace(parts[0], split=None))]
    train = next((p.folder for p in parts if p.split == given_split.TRAIN), None)
    advice = labels_layout.ADVICE
    if train is not None:
        advice = f"Add a folder for it, or give {shlex.quote(str(train))}: then orch draws a split."
    request = replace(request, images=place)
    source = labels_layout.assemble(parts, request, NAME, place, advice)
    return replace(source, beside=tuple(_unnamed(place, source)))


def _unnamed(place: Path, source: DataSource) -> list[str]:
    """The files in the folder that no row names, without the metadata."""
    base = os.path.relpath(place, source.origin)
    named = {entry.path for entry in source.entries}
    unnamed = []
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not image_folder.is_ignored(name)]
        within = os.path.normpath(os.path.join(base, os.path.relpath(folder, place)))
        for name in names:
            path = os.path.normpath(os.path.join(within, name))
            if path not in named and name not in FILES and not image_folder.is_ignored(name):
                unnamed.append(path)
    return sorted(unnamed)


def _metadata(place: Path) -> list[Path]:
    """The files of metadata in a folder and in its folders of splits."""
    tops = [place / name for name in sorted(split_folders.folders(place))]
    files = [folder / name for folder in (place, *tops) for name in FILES]
    return [file for file in files if file.is_file()]


def _names_images(file: Path) -> bool:
    """Whether metadata name files and labels; others belong to class folders, and are not used."""
    try:
        table = read_labels.read(file)
    except BadFolder:
        return False
    return table.name_of("file_name") is not None and table.label_column is not None


def _is_alone(file: Path) -> bool:
    return not any(entry.is_dir() for entry in file.parent.iterdir())


def _split_by_folder(part: TablePart) -> TablePart:
    """The rows with the split that their first folder names, if all of them name one."""
    table = part.table
    if table.name_of(labels_layout.SPLIT) is not None:
        return part
    firsts = [path.partition("/")[0] for path in table.columns[str(table.path_column)]]
    if not all(map(given_split.named, firsts)):
        return part
    return replace(part, table=_with_column(table, labels_layout.SPLIT, firsts))


def _with_column(table: LabelTable, name: str, values: list[str]) -> LabelTable:
    return replace(table, columns={**table.columns, name: values})
