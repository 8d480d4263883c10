"""A folder of class folders, listed and fingerprinted before any image is decoded."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs import file_names
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data import folder_shape, pixel_format
from jobs.data.pixel_format import PixelFormat
from jobs.errors import BadFolder
from jobs.spec.model import DataSettings, at_defaults

CHUNK_FILES = 32
AT_ONCE_BYTES = 2**20
PREPARATION = 2
"""Version of the preparation; enters names only where version 0.1.0 made other pixels."""
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


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file: path relative to the folder (with `/`), class, SHA-256 and size in bytes."""

    path: str
    label: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class DataSource:
    """Source of a data set: built-in name or absolute folder, with its classes and files.

    `preparation` is that of version 0.1.0 (1) where it made the same pixels, else `PREPARATION`.
    `beside` are the files that lie beside the class folders and are not used. `formats` are those
    of the files that 0.1.0 prepared in another way; neither is kept in the store.
    """

    origin: str
    classes: tuple[str, ...]
    entries: tuple[ImageFile, ...]
    preparation: int = 1
    beside: tuple[str, ...] = ()
    formats: Mapping[str, PixelFormat] = field(default_factory=dict)

    @property
    def built_in(self) -> bool:
        """Whether the images come from an installed package instead of a folder."""
        return self.origin in BUILT_IN_DATA

    @property
    def beyond_8_bits(self) -> dict[str, PixelFormat]:
        """The formats of files whose values need a range."""
        return {path: one for path, one in self.formats.items() if one.beyond_8_bits}

    def fingerprint(self, settings: DataSettings) -> str:
        """SHA-256 over the settings and the path, class and contents of every file.

        It does not depend on the location of the folder.
        """
        asked = settings.model_dump_json(exclude=at_defaults(settings))
        state = hashlib.sha256(asked.encode())
        state.update((self.origin if self.built_in else "folder").encode())
        if self.preparation > 1:
            state.update(f"\0preparation {self.preparation}".encode())
        for entry in self.entries:
            state.update(f"\0{entry.path}\0{entry.label}\0{entry.sha256}".encode())
        return state.hexdigest()

    def data_id(self, settings: DataSettings) -> str:
        """Name of the data set, ending in its short fingerprint: `animals22-64px-1f3a9c2e`."""
        stem = "".join(
            c if c.isascii() and c.isalnum() else "-" for c in Path(self.origin).name.lower()
        ).strip("-")
        return f"{stem[:40] or 'data'}-{settings.image_size}px-{self.fingerprint(settings)[:8]}"


def list_folder(folder: Path, classes_at_top: bool = False) -> DataSource:
    """Classes and files without checksums; raises `BadFolder` for an unusable folder.

    A folder whose shape says that its class folders lie elsewhere is refused, unless
    `classes_at_top`.
    """
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
    _check_names(folder, classes, entries)
    return DataSource(str(folder.absolute()), tuple(classes), tuple(entries), beside=tuple(beside))


def _check_names(folder: Path, classes: list[str], entries: list[ImageFile]) -> None:
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
    tell: Callable[[int, int], None] = lambda done, total: None,
    classes_at_top: bool = False,
) -> DataSource:
    """Like `list_folder`, with the SHA-256 of every file, computed in threads.

    Reports progress with `tell(done, total)`, in files. Raises `BadFolder`.
    """
    listed = list_folder(folder, classes_at_top)
    total = len(listed.entries)
    chunks = [listed.entries[start : start + CHUNK_FILES] for start in range(0, total, CHUNK_FILES)]
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
        entries: list[ImageFile] = []
        formats: dict[str, PixelFormat] = {}
        for chunk in pool.map(
            lambda chunk: [_with_digest(folder, entry) for entry in chunk], chunks
        ):
            for entry, pixels in chunk:
                entries.append(entry)
                if pixels is not None:
                    formats[entry.path] = pixels
                tell(len(entries), total)
    preparation = PREPARATION if formats else 1
    return replace(listed, entries=tuple(entries), preparation=preparation, formats=formats)


def built_in(name: str) -> DataSource:
    """The source of a built-in data set, whose name determines its contents.

    Raises `BadFolder` for an unknown name.
    """
    if name not in BUILT_IN_DATA:
        raise BadFolder(f"unknown built-in data set '{name}'. Known: {', '.join(BUILT_IN_DATA)}.")
    return DataSource(name, BUILT_IN_DATA[name].classes, ())


def _with_digest(folder: Path, entry: ImageFile) -> tuple[ImageFile, PixelFormat | None]:
    try:
        with open(f"{folder}/{entry.path}", "rb", buffering=0) as handle:
            if entry.bytes < AT_ONCE_BYTES:
                contents = handle.readall()
                digest, found = hashlib.sha256(contents), pixel_format.read(io.BytesIO(contents))
            else:
                digest = hashlib.file_digest(handle, "sha256")
                handle.seek(0)
                found = pixel_format.read(io.BufferedReader(handle))
            return ImageFile(entry.path, entry.label, digest.hexdigest(), entry.bytes), found
    except OSError as error:
        raise BadFolder(f"cannot read {folder / entry.path}: {error.strerror}.") from None


def _classes(folder: Path) -> tuple[list[str], list[str]]:
    """Sorted class folder names, and the names of the files beside them.

    Raises `BadFolder` for broken, cyclic or duplicate links.
    """
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise BadFolder(f"{folder} is not a folder. Give a folder with one folder per class.")
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
        found = os.stat(path)
    except FileNotFoundError:
        raise BadFolder(f"{path} is a broken link. Fix or remove it.") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadFolder(f"{path} is not a regular file (a pipe, socket or device). Remove it.")
    return found.st_size


def _parts(entry: ImageFile) -> list[str]:
    return entry.path.split("/")


def _raise(error: OSError) -> None:
    raise error


def is_ignored(name: str) -> bool:
    """Whether a file or folder is hidden or created by the operating system."""
    small = name.lower()
    return small.startswith(".") or small in IGNORED or CHECKED_DISK.fullmatch(small) is not None
