"""A folder of class folders, listed and fingerprinted before any image is decoded."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from jobs import file_names
from jobs.data import checksums, folder_shape, read_labels
from jobs.data.data_source import DataSource, ImageFile
from jobs.errors import BadFolder

IGNORED = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__macosx",
    "icon\r",
    "@eadir",
    "@tmp",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    "@__thumb",
    "#snapshot",
    "~snapshot",
    "lost+found",
    "lost.dir",
    "__pycache__",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "network trash folder",
    "temporary items",
}
"""Folders and files that other systems create by themselves, in lower case."""
CHECKED_DISK = re.compile(r"found\.\d{3}")
"""Where Windows puts what it finds when it checks a disk."""


def list_folder(folder: Path, classes_at_top: bool = False) -> DataSource:
    """Classes and files without checksums; raises `BadFolder` for an unusable folder.

    A folder whose shape says that its class folders lie elsewhere is refused, unless
    `classes_at_top`.
    """
    classes, entries, beside = scan(folder, classes_at_top)
    check_names(folder, classes, entries)
    return DataSource(str(folder.absolute()), tuple(classes), tuple(entries), beside=tuple(beside))


def scan(
    folder: Path, classes_at_top: bool = False
) -> tuple[list[str], list[ImageFile], list[str]]:
    """Classes, their files, and files beside them; raises `BadFolder` as `list_folder` does."""
    try:
        classes, beside = _classes(folder)
        entries = [entry for label in classes for entry in sorted(_walk(folder, label), key=_parts)]
    except FileNotFoundError as error:
        raise BadFolder(f"the data folder {error.filename or folder} does not exist.") from None
    except OSError as error:
        raise BadFolder(f"cannot read {error.filename or folder}: {error.strerror}.") from None
    if not classes_at_top:
        shape = folder_shape.tree(classes, (entry.path for entry in entries))
        if fault := folder_shape.fault(folder, shape):
            raise BadFolder(fault)
    return classes, entries, beside


def check_names(folder: Path, classes: list[str], entries: list[ImageFile]) -> None:
    """Raise `BadFolder` for a single class, an empty class, or a name that is not UTF-8."""
    if len(classes) == 1:
        raise BadFolder(
            f"{folder} has only one class ('{classes[0]}'). At least two classes are needed."
        )
    empty = sorted(set(classes) - {entry.label for entry in entries})
    if empty:
        raise BadFolder(
            f"{folder}: no file in class folder(s) {', '.join(empty)}. Add images or remove them."
        )
    for entry in entries:
        if not entry.path.isascii() and (fault := file_names.fault(entry.path)):
            raise BadFolder(f"{folder}: {fault}")


def read_folder(
    folder: Path,
    tell: checksums.Tell = lambda done, total: None,
    classes_at_top: bool = False,
) -> DataSource:
    """Like `list_folder`, with the SHA-256 of every file. Raises `BadFolder`."""
    return checksums.add(list_folder(folder, classes_at_top), tell)


def _classes(folder: Path) -> tuple[list[str], list[str]]:
    """Sorted class folder names, and the names of the files beside them.

    Raises `BadFolder` for broken, cyclic or duplicate links.
    """
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise BadFolder(
            f"{folder} is not a folder. Give a folder with one folder per class, or a table of "
            f"labels ({', '.join(read_labels.READERS)})."
        )
    items = sorted(
        (item for item in os.scandir(folder) if not is_ignored(item.name)),
        key=lambda item: item.name,
    )
    places: dict[str, str] = {}
    beside: list[str] = []
    for item in items:
        if item.is_symlink() and not os.path.exists(item.path):
            raise BadFolder(f"{item.path} is a broken link. Fix or remove it.")
        if item.is_dir():
            place = os.path.realpath(item.path)
            if Path(os.path.realpath(folder)).is_relative_to(place):
                raise BadFolder(f"{item.path} is a link to a folder that contains it. Remove it.")
            if place in places:
                raise BadFolder(
                    f"the classes {places[place]} and {item.name} in {folder} are the same folder. "
                    "Remove one of them."
                )
            places[place] = item.name
        else:
            beside.append(item.name)
    if not places:
        raise BadFolder(
            f"{folder} has no class folders. Put the images of each class into a separate folder."
        )
    return list(places.values()), beside


def _walk(folder: Path, label: str) -> Iterator[ImageFile]:
    """Every file of a class; raises `OSError`.

    Raises `BadFolder` for links to folders, broken links, pipes, sockets and devices.
    """
    for where, folders, names in os.walk(folder / label, onerror=_raise):
        folders[:] = [name for name in folders if not is_ignored(name)]
        for name in folders:
            if os.path.islink(Path(where, name)):
                raise BadFolder(
                    f"{Path(where, name)} is a link to a folder. Links within a class are not "
                    "followed; replace it with the folder."
                )
        below = Path(where).relative_to(folder).as_posix()
        for name in names:
            if not is_ignored(name):
                yield ImageFile(f"{below}/{name}", label, "", _size(f"{where}/{name}"))


def _size(path: str) -> int:
    """Size of a file in bytes; raises `BadFolder` unless it is a regular file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise BadFolder(f"{path} is a broken link. Fix or remove it.") from None
    if not stat.S_ISREG(status.st_mode):
        raise BadFolder(f"{path} is not a regular file (a pipe, socket or device). Remove it.")
    return status.st_size


def _parts(entry: ImageFile) -> list[str]:
    return entry.path.split("/")


def in_order(entry: ImageFile) -> tuple[str, list[str]]:
    """The order of the files of every source: by class, then by path."""
    return entry.label, _parts(entry)


def _raise(error: OSError) -> None:
    raise error


def is_ignored(name: str) -> bool:
    """Whether a file or folder is hidden or created by the operating system."""
    small = name.lower()
    return small.startswith(".") or small in IGNORED or CHECKED_DISK.fullmatch(small) is not None
