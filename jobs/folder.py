"""A folder of class folders, listed and fingerprinted before any image is decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import BadFolder
from jobs.spec import BUILT_IN_DATA, DataSettings

IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path relative to the folder (with '/'), its class, SHA-256 of its bytes, its size in bytes."""

    path: str
    label: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set comes from: a built-in name or an absolute folder, its classes and its files."""

    origin: str
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def built_in(self) -> bool:
        """Whether the images are inside an installed package, not in a folder."""
        return self.origin in BUILT_IN_DATA

    def fingerprint(self, settings: DataSettings) -> str:
        """SHA-256 over every file's path, class and contents, and the settings; the folder's place does not count."""
        state = hashlib.sha256(settings.model_dump_json().encode())
        state.update((self.origin if self.built_in else "folder").encode())
        for entry in self.entries:
            state.update(f"\0{entry.path}\0{entry.label}\0{entry.sha256}".encode())
        return state.hexdigest()

    def data_id(self, settings: DataSettings) -> str:
        """The data set's name: readable, then its fingerprint, such as `animals22-64px-1f3a9c2e`."""
        stem = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(self.origin).name.lower()).strip("-")
        return f"{stem[:40] or 'data'}-{settings.image_size}px-{self.fingerprint(settings)[:8]}"


def list_folder(folder: Path) -> Source:
    """Classes and files without contents (digests empty); raises `BadFolder` for what cannot be compared on."""
    if not folder.exists():
        raise BadFolder(f"the data folder {folder} does not exist.")
    if not folder.is_dir():
        raise BadFolder(f"{folder} is not a folder. Give a folder that holds one folder for each class.")
    try:
        classes = sorted(item.name for item in os.scandir(folder) if item.is_dir() and not _ignored(item.name))
        files = {label: sorted(_walk(folder / label)) for label in classes}
    except OSError as error:
        raise BadFolder(f"cannot read {error.filename or folder}: {error.strerror}.") from None
    if not classes:
        raise BadFolder(f"{folder} is empty of class folders. Put each class's images in a folder of their own.")
    if len(classes) == 1:
        raise BadFolder(f"{folder} holds one class only ('{classes[0]}'); a comparison needs at least two.")
    empty = [label for label, paths in files.items() if not paths]
    if empty:
        raise BadFolder(f"{folder}: no file in class folder(s) {', '.join(empty)}. Fill or remove them.")
    entries = [
        Entry(path.relative_to(folder).as_posix(), label, "", path.stat().st_size)
        for label, paths in files.items()
        for path in paths
    ]
    for entry in entries:
        if not entry.path.isprintable() and any(0xD800 <= ord(c) <= 0xDFFF for c in entry.path):
            raise BadFolder(f"{folder}: a file's name is not valid UTF-8: {entry.path!r}. Rename it.")
    return Source(str(folder.absolute()), tuple(classes), tuple(entries))


def read_folder(folder: Path, tell: Callable[[int, int], None] = lambda done, total: None) -> Source:
    """`list_folder` with every file's SHA-256, read by several threads; `tell(done, total)` counts files."""
    listed = list_folder(folder)
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
        entries = []
        for entry in pool.map(lambda e: _with_digest(folder, e), listed.entries):
            entries.append(entry)
            tell(len(entries), len(listed.entries))
    return Source(listed.origin, listed.classes, tuple(entries))


def built_in(name: str) -> Source:
    """The source of a data set that comes with a package; its contents are fixed by its name."""
    if name not in BUILT_IN_DATA:
        raise BadFolder(f"no built-in data set is called '{name}'; there is: {', '.join(BUILT_IN_DATA)}.")
    return Source(name, tuple(str(digit) for digit in range(10)), ())


def _with_digest(folder: Path, entry: Entry) -> Entry:
    try:
        with (folder / entry.path).open("rb") as handle:
            return Entry(entry.path, entry.label, hashlib.file_digest(handle, "sha256").hexdigest(), entry.bytes)
    except OSError as error:
        raise BadFolder(f"cannot read {folder / entry.path}: {error.strerror}.") from None


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _ignored(name)]
        yield from (Path(where) / name for name in files if not _ignored(name))


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in IGNORED
