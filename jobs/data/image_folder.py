"""A folder of class folders, listed and fingerprinted before any image is decoded."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.errors import BadFolder
from jobs.spec.model import DataSettings

CHUNK_FILES = 32
AT_ONCE_BYTES = 2**20
IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file: path relative to the folder (with `/`), class, SHA-256 and size in bytes."""

    path: str
    label: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class DataSource:
    """Source of a data set: built-in name or absolute folder, with its classes and files."""

    origin: str
    classes: tuple[str, ...]
    entries: tuple[ImageFile, ...]

    @property
    def built_in(self) -> bool:
        """Whether the images come from an installed package instead of a folder."""
        return self.origin in BUILT_IN_DATA

    def fingerprint(self, settings: DataSettings) -> str:
        """SHA-256 over the settings and the path, class and contents of every file.

        It does not depend on the location of the folder.
        """
        state = hashlib.sha256(settings.model_dump_json().encode())
        state.update((self.origin if self.built_in else "folder").encode())
        for entry in self.entries:
            state.update(f"\0{entry.path}\0{entry.label}\0{entry.sha256}".encode())
        return state.hexdigest()

    def data_id(self, settings: DataSettings) -> str:
        """Name of the data set, ending in its short fingerprint: `animals22-64px-1f3a9c2e`."""
        stem = "".join(
            c if c.isascii() and c.isalnum() else "-" for c in Path(self.origin).name.lower()
        ).strip("-")
        return f"{stem[:40] or 'data'}-{settings.image_size}px-{self.fingerprint(settings)[:8]}"


def list_folder(folder: Path) -> DataSource:
    """Classes and files without checksums; raises `BadFolder` for an unusable folder."""
    try:
        classes = _classes(folder)
        entries = [entry for label in classes for entry in sorted(_walk(folder, label), key=_parts)]
    except FileNotFoundError as error:
        raise BadFolder(f"the data folder {error.filename or folder} does not exist.") from None
    except OSError as error:
        raise BadFolder(f"cannot read {error.filename or folder}: {error.strerror}.") from None
    if len(classes) == 1:
        raise BadFolder(
            f"{folder} holds one class only ('{classes[0]}'); a comparison needs at least two."
        )
    empty = sorted(set(classes) - {entry.label for entry in entries})
    if empty:
        raise BadFolder(
            f"{folder}: no file in class folder(s) {', '.join(empty)}. Fill or remove them."
        )
    for entry in entries:
        if any(0xD800 <= ord(c) <= 0xDFFF for c in entry.path):
            raise BadFolder(
                f"{folder}: a file's name is not valid UTF-8: {entry.path!r}. Rename it."
            )
    return DataSource(str(folder.absolute()), tuple(classes), tuple(entries))


def read_folder(
    folder: Path, tell: Callable[[int, int], None] = lambda done, total: None
) -> DataSource:
    """Like `list_folder`, with the SHA-256 of every file, computed in threads.

    Reports progress with `tell(done, total)`, in files. Raises `BadFolder`.
    """
    listed = list_folder(folder)
    total = len(listed.entries)
    chunks = [listed.entries[start : start + CHUNK_FILES] for start in range(0, total, CHUNK_FILES)]
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
        entries: list[ImageFile] = []
        for chunk in pool.map(
            lambda chunk: [_with_digest(folder, entry) for entry in chunk], chunks
        ):
            for entry in chunk:
                entries.append(entry)
                tell(len(entries), total)
    return DataSource(listed.origin, listed.classes, tuple(entries))


def built_in(name: str) -> DataSource:
    """The source of a built-in data set, whose name determines its contents.

    Raises `BadFolder` for an unknown name.
    """
    if name not in BUILT_IN_DATA:
        raise BadFolder(
            f"no built-in data set is called '{name}'; there is: {', '.join(BUILT_IN_DATA)}."
        )
    return DataSource(name, BUILT_IN_DATA[name].classes, ())


def _with_digest(folder: Path, entry: ImageFile) -> ImageFile:
    try:
        with open(f"{folder}/{entry.path}", "rb", buffering=0) as handle:
            small = entry.bytes < AT_ONCE_BYTES
            digest = (
                hashlib.sha256(handle.readall()) if small else hashlib.file_digest(handle, "sha256")
            )
            return ImageFile(entry.path, entry.label, digest.hexdigest(), entry.bytes)
    except OSError as error:
        raise BadFolder(f"cannot read {folder / entry.path}: {error.strerror}.") from None


def _classes(folder: Path) -> list[str]:
    """Sorted class folder names; raises `BadFolder` for broken, cyclic or duplicate links."""
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise BadFolder(
            f"{folder} is not a folder. Give a folder that holds one folder for each class."
        )
    items = sorted(
        (item for item in os.scandir(folder) if not is_ignored(item.name)),
        key=lambda item: item.name,
    )
    places: dict[str, str] = {}
    for item in items:
        if item.is_symlink() and not os.path.exists(item.path):
            raise BadFolder(f"{item.path} is a link that leads nowhere. Fix or remove it.")
        if item.is_dir():
            place = os.path.realpath(item.path)
            if Path(os.path.realpath(folder)).is_relative_to(place):
                raise BadFolder(
                    f"{item.path} is a link back to the folder that it lies in. Remove it."
                )
            if place in places:
                raise BadFolder(
                    f"the classes {places[place]} and {item.name} in {folder} are the same folder."
                )
            places[place] = item.name
    if not places:
        raise BadFolder(
            f"{folder} is empty of class folders. Put each class's images in a folder of their own."
        )
    return list(places.values())


def _walk(folder: Path, label: str) -> Iterator[ImageFile]:
    """Every file of a class; raises `OSError`.

    Raises `BadFolder` for links to folders, broken links, pipes, sockets and devices.
    """
    for where, folders, names in os.walk(folder / label, onerror=_raise):
        folders[:] = [name for name in folders if not is_ignored(name)]
        for name in folders:
            if os.path.islink(Path(where, name)):
                raise BadFolder(
                    f"{Path(where, name)} is a link to a folder, and such are not followed within "
                    "a class. Put the folder itself there."
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
        raise BadFolder(f"{path} is a link that leads nowhere. Fix or remove it.") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadFolder(
            f"{path} is no file that can be read to its end (a pipe, socket or device). Remove it."
        )
    return found.st_size


def _parts(entry: ImageFile) -> list[str]:
    return entry.path.split("/")


def _raise(error: OSError) -> None:
    raise error


def is_ignored(name: str) -> bool:
    """Whether a file or folder is hidden or created by the operating system."""
    return name.startswith(".") or name.lower() in IGNORED
