"""A table of labels: images named by path with a label, and perhaps with a split and a group."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs import file_names
from jobs.data import given_split, image_folder, read_labels
from jobs.data.data_source import DataSource, ImageFile
from jobs.data.read_labels import LabelTable
from jobs.data.request import DataRequest
from jobs.errors import BadFolder

NAME = "labels-file"
SPLIT, GROUP = "split", "group"
MAX_LABEL = 255
SHOWN, MAX_SHOWN = 5, 200
ADVICE = "Mark rows with it in the column 'split', or leave the column out: then orch draws one."


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table, the folder that its paths start from, and the split of its rows if one is given."""

    table: LabelTable
    folder: Path
    split: str | None = None


def recognised(request: DataRequest) -> bool:
    """Whether a file is a table of labels, by the ending of its name."""
    return request.place.suffix.lower() in read_labels.READERS and not request.place.is_dir()


def list_source(request: DataRequest) -> DataSource:
    """Classes and files that a table names; raises `BadFolder`."""
    table = read_labels.read(request.place)
    folder = request.images or request.place.parent
    if request.images is not None and not request.images.is_dir():
        raise BadFolder(f"the folder of images {request.images} does not exist.")
    return assemble([TablePart(table, folder)], request, NAME, request.place, ADVICE)


def assemble(
    parts: Sequence[TablePart], request: DataRequest, layout: str, labels: Path, advice: str
) -> DataSource:
    """The source that tables name together; raises `BadFolder`, naming rows."""
    base = os.path.abspath(request.images or (labels if labels.is_dir() else labels.parent))
    by_path: dict[str, ImageFile] = {}
    repeated = 0
    for part in parts:
        rows_of: dict[str, int] = {}
        for row, entry in enumerate(_rows(part, request)):
            known = by_path.setdefault(entry.path, entry)
            if known is not entry:
                _refuse_contradiction(part, known, entry, rows_of.get(entry.path), row)
                repeated += 1
            rows_of.setdefault(entry.path, row)
    classes = sorted({entry.label for entry in by_path.values()})
    if len(classes) < 2:
        named = f"names 1 class ('{classes[0]}')" if classes else "names no image"
        raise BadFolder(f"{labels} {named}. At least two classes are needed.")
    remarks = [f"{repeated:,} rows name an image again, with equal values"] if repeated else []
    remarks += dict.fromkeys(unused for part in parts if (unused := _unused(part, request)))
    folder, entries = _relative(base, list(by_path.values()))
    source = DataSource(
        folder,
        tuple(classes),
        tuple(sorted(entries, key=image_folder.in_order)),
        layout=layout,
        labels=str(labels.absolute()),
        remarks=tuple(remarks),
    )
    return given_split.checked(source, advice)


def _unused(part: TablePart, request: DataRequest) -> str:
    """A line on the columns that are not used; empty without any."""
    table = part.table
    used = {table.path_column, table.label_column, table.name_of(SPLIT)}
    if request.group_by_name is None:
        used.add(table.name_of(request.group_by or GROUP))
    unused = [name for name in table.columns if name not in used]
    if not unused:
        return ""
    more = f" and {len(unused) - SHOWN} more" if len(unused) > SHOWN else ""
    told = f"columns that are not used: {', '.join(unused[:SHOWN])}{more}"
    if part.split is None and table.name_of(SPLIT) is None:
        like = next((name for name in unused if _names_splits(table.columns[name])), None)
        told += f"; '{like}' names splits, which a column 'split' would keep" if like else ""
    return told


def _names_splits(values: Sequence[str]) -> bool:
    """Whether all values name splits, and not all the same."""
    splits = {given_split.named(value) for value in set(values)}
    return len(splits) > 1 and None not in splits


def _rows(part: TablePart, request: DataRequest) -> Iterator[ImageFile]:
    """A file for each row, by its absolute path; raises `BadFolder`."""
    table = part.table
    given = table.columns[str(table.path_column)]
    if empty := [row for row, path in enumerate(given) if not path]:
        raise table.refuse("no path", empty, "Give each row the path of an image.")
    labels = [label.strip() for label in table.columns[str(table.label_column)]]
    if unlabelled := [row for row, label in enumerate(labels) if not label]:
        raise table.refuse("no label", unlabelled, "Give each image one, or remove the rows.")
    if wrong := [row for row, label in enumerate(labels) if not _is_label(label)]:
        odd = f"a label with over {MAX_LABEL} or invisible characters"
        shown = ascii(labels[wrong[0]][:40])
        raise table.refuse(f"{odd} ({shown})", wrong, "Give the class another name.")
    splits, groups = _splits(part), _groups(table, request)
    paths, sizes = _files(table, part.folder, given)
    for row, path in enumerate(paths):
        yield ImageFile(path, labels[row], "", sizes[row], splits[row], groups[row])


def _is_label(label: str) -> bool:
    return len(label) <= MAX_LABEL and label.isprintable()


def _splits(part: TablePart) -> Sequence[str | None]:
    """The split of each row; None for all where none is given."""
    table = part.table
    column = table.name_of(SPLIT)
    nothing = [part.split] * len(table.places)
    if column is None or not any(value.strip() for value in table.columns[column]):
        return nothing
    if part.split is not None:
        raise BadFolder(
            f"{table.file} lies in a folder of a split and has a column 'split' too. Remove one."
        )
    named = [given_split.named(value) for value in table.columns[column]]
    if unknown := [row for row, split in enumerate(named) if split is None]:
        word = table.columns[column][unknown[0]]
        raise table.refuse(
            f"no split or an unknown one ('{word}')", unknown, "Use train, validation or test."
        )
    return named


def _groups(table: LabelTable, request: DataRequest) -> Sequence[str | None]:
    """The group of each row; None for all where there are none."""
    nothing = [None] * len(table.places)
    if request.group_by_name is not None:
        return nothing
    column = table.name_of(request.group_by or GROUP)
    if column is None:
        if request.group_by is None:
            return nothing
        raise BadFolder(
            f"{table.file} has no column '{request.group_by}' to group by. Its columns: "
            f"{', '.join(table.columns)}."
        )
    groups = [value.strip() for value in table.columns[column]]
    if request.group_by is None and not any(groups):
        return nothing
    if empty := [row for row, group in enumerate(groups) if not group]:
        raise table.refuse(
            f"no value of '{column}'", empty, "Give an image that stands alone a group of its own."
        )
    return groups


def _files(table: LabelTable, folder: Path, given: Sequence[str]) -> tuple[list[str], list[int]]:
    """Absolute path and size of each row's file; raises `BadFolder` where there is none."""
    paths: list[str] = []
    sizes: list[int] = []
    missing: list[int] = []
    odd: list[int] = []
    base = os.path.abspath(folder)
    for row, name in enumerate(given):
        path, status = _file(base, name)
        if status is None:
            missing.append(row)
        elif not stat.S_ISREG(status.st_mode):
            odd.append(row)
        paths.append(path)
        sizes.append(0 if status is None else status.st_size)
    for rows, what in ((missing, "no file"), (odd, "a folder, or no regular file")):
        if rows:
            name = given[rows[0]]
            if not name.isascii() and (fault := file_names.fault(name)):
                raise BadFolder(f"{table.file}: {fault}")
            cut = name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}..."
            raise table.refuse(f"{what} '{cut}'", rows, f"Paths start from {base} (see --images).")
    return paths, sizes


def _file(base: str, name: str) -> tuple[str, os.stat_result | None]:
    """Absolute path and status of the file of this name, or of one that is spelled like it."""
    path = os.path.normpath(os.path.join(base, name))
    if (status := _status(path)) is not None:
        return path, status
    for other in _spellings(name):
        alike = os.path.normpath(os.path.join(base, other))
        if (status := _status(alike)) is not None:
            return alike, status
    return path, None


def _spellings(name: str) -> Iterator[str]:
    """The name as other systems write it: `\\` of Windows, letters of macOS, spaces around it."""
    for path in dict.fromkeys((name, name.strip())):
        for slashed in dict.fromkeys((path, path.replace("\\", "/"))):
            yield slashed
            yield unicodedata.normalize("NFC", slashed)
            yield unicodedata.normalize("NFD", slashed)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _refuse_contradiction(
    part: TablePart, known: ImageFile, entry: ImageFile, first: int | None, row: int
) -> None:
    """Raise `BadFolder` if a path has two labels, splits or groups."""
    for what, one, other in (
        ("labels", known.label, entry.label),
        ("splits", known.given_split, entry.given_split),
        ("groups", known.group, entry.group),
    ):
        if one != other:
            rows = [row] if first is None else [first, row]
            raise part.table.refuse(
                f"'{entry.path}' has two {what} ('{one}' and '{other}')",
                rows,
                "Remove one of them.",
            )


def _relative(base: str, entries: list[ImageFile]) -> tuple[str, list[ImageFile]]:
    """The folder of the images and their paths in it.

    It is `base`, or the deepest folder that holds all images where some lie outside.
    """
    if not all(entry.path.startswith(f"{base.rstrip('/')}/") for entry in entries):
        base = os.path.commonpath([os.path.dirname(entry.path) for entry in entries])
    skipped = len(base.rstrip("/")) + 1
    return base, [
        ImageFile(e.path[skipped:], e.label, e.sha256, e.bytes, e.given_split, e.group)
        for e in entries
    ]
