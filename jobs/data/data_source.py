"""A source of images: its classes and its files, and the name of the data set made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data.pixel_format import PixelFormat
from jobs.errors import BadFolder
from jobs.spec.model import DataSettings, at_defaults

CLASS_FOLDERS = "class-folders"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file: path relative to the folder (with `/`), class, SHA-256 and size in bytes.

    `given_split` is the split that the source gives it. Images of one `group` belong together.
    """

    path: str
    label: str
    sha256: str
    bytes: int
    given_split: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class DataSource:
    """Source of a data set: built-in name or absolute folder, with its classes and files.

    `preparation` is the first that made these pixels: that of version 0.1.0 is 1, and in no name.
    `beside` are the files that lie beside the class folders and are not used. `formats` are those
    of the files that 0.1.0 prepared in another way; `remarks` are lines for the user. These three
    are not kept in the store. `layout` is an entry of `sources.LAYOUTS`, and `labels` the file that
    the labels were read from.
    """

    origin: str
    classes: tuple[str, ...]
    entries: tuple[ImageFile, ...]
    preparation: int = 1
    beside: tuple[str, ...] = ()
    formats: Mapping[str, PixelFormat] = field(default_factory=dict)
    layout: str = CLASS_FOLDERS
    labels: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def built_in(self) -> bool:
        """Whether the images come from an installed package instead of a folder."""
        return self.origin in BUILT_IN_DATA

    @property
    def split_given(self) -> bool:
        """Whether the source says which images are for training and which for the test."""
        return any(entry.given_split for entry in self.entries)

    @property
    def validation_given(self) -> bool:
        """Whether it also says which are for validation; else a part of the training images is."""
        return any(entry.given_split == "validation" for entry in self.entries)

    @property
    def groups(self) -> int:
        """The number of groups of images that belong together; 0 where there are none."""
        return len({entry.group for entry in self.entries if entry.group is not None})

    @property
    def beyond_8_bits(self) -> dict[str, PixelFormat]:
        """The formats of files whose values need a range."""
        return {path: one for path, one in self.formats.items() if one.beyond_8_bits}

    def fingerprint(self, settings: DataSettings) -> str:
        """SHA-256 over the settings and the path, class and contents of every file.

        So are the given split and the group, where there are any. It does not depend on the
        location of the folder.
        """
        asked = settings.model_dump_json(exclude=at_defaults(settings))
        state = hashlib.sha256(asked.encode())
        state.update((self.origin if self.built_in else "folder").encode())
        if self.preparation > 1:
            state.update(f"\0preparation {self.preparation}".encode())
        for entry in self.entries:
            state.update(f"\0{entry.path}\0{entry.label}\0{entry.sha256}".encode())
            if entry.given_split or entry.group is not None:
                given = (entry.given_split or "", entry.group or "")
                state.update(f"\0\0{given[0]}\0{given[1]}".encode())
        return state.hexdigest()

    def data_id(self, settings: DataSettings) -> str:
        """Name of the data set, ending in its short fingerprint: `animals22-64px-1f3a9c2e`."""
        stem = "".join(
            c if c.isascii() and c.isalnum() else "-" for c in Path(self.origin).name.lower()
        ).strip("-")
        return f"{stem[:40] or 'data'}-{settings.image_size}px-{self.fingerprint(settings)[:8]}"


def built_in(name: str) -> DataSource:
    """The source of a built-in data set, whose name determines its contents.

    Raises `BadFolder` for an unknown name.
    """
    if name not in BUILT_IN_DATA:
        raise BadFolder(f"unknown built-in data set '{name}'. Known: {', '.join(BUILT_IN_DATA)}.")
    return DataSource(name, BUILT_IN_DATA[name].classes, ())
