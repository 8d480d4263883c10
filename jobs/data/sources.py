"""The registry of sources: each kind of place where images and their labels may come from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data import (
    checksums,
    data_source,
    image_folder,
    labels_layout,
    metadata_folder,
    split_folders,
    value_range,
)
from jobs.data.checksums import Tell
from jobs.data.data_source import CLASS_FOLDERS, DataSource
from jobs.data.request import DataRequest
from jobs.errors import BadFolder, BadSpec
from jobs.spec.model import Spec

SHOWN = 3


class Layout(NamedTuple):
    """A way in which images and labels lie in a folder or file.

    `list_source` gives classes and files without checksums, and raises `BadFolder`. `has_columns`:
    there is a table, of which a column may hold groups.
    """

    name: str
    words: str
    recognises: Callable[[DataRequest], bool]
    list_source: Callable[[DataRequest], DataSource]
    has_columns: bool = False


def _class_folders(request: DataRequest) -> DataSource:
    return image_folder.list_folder(request.place, request.classes_at_top)


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            labels_layout.NAME,
            "a table of labels",
            labels_layout.recognised,
            labels_layout.list_source,
            has_columns=True,
        ),
        Layout(
            metadata_folder.NAME,
            "a folder of images with metadata",
            metadata_folder.recognised,
            metadata_folder.list_source,
            has_columns=True,
        ),
        Layout(
            split_folders.NAME,
            "split folders with class folders in them",
            split_folders.recognised,
            split_folders.list_source,
        ),
        Layout(CLASS_FOLDERS, "a folder of class folders", lambda request: True, _class_folders),
    )
}
"""The first layout that recognises a place lists it. Names are kept in stores."""


def read(spec: Spec, tell: Tell = lambda done, total: None, any_range: bool = False) -> DataSource:
    """The data of a specification; `tell(done, total)` counts files as they are read.

    Raises `BadFolder`, also where the range of values does not fit the images, and `BadSpec`.
    With `any_range` it may be unfit.
    """
    if spec.data in BUILT_IN_DATA:
        _refuse_for_built_in(spec)
        source = data_source.built_in(spec.data)
    else:
        source = list_source(DataRequest.of(spec))
        _refuse_useless(spec, source)
        source = checksums.add(source, tell)
    if not any_range:
        value_range.check(source.origin, source.beyond_8_bits, spec.value_range)
    return source


def list_source(request: DataRequest) -> DataSource:
    """Classes, files, splits and groups, without checksums. Raises `BadFolder` and `BadSpec`."""
    if request.group_by is not None and request.group_by_name is not None:
        raise BadSpec("group_by and group_by_name were both given. Give only one of them.")
    layout = next(each for each in LAYOUTS.values() if each.recognises(request))
    for key in ("images", "group_by"):
        if getattr(request, key) is not None and not layout.has_columns:
            raise BadSpec(
                f"{key} needs a table of labels, and {request.place} is {layout.words}. "
                + ("Groups in names: --group-by-name." if key == "group_by" else "Leave it out.")
            )
    source = layout.list_source(request)
    return source if request.group_by_name is None else _grouped(source, request.group_by_name)


def _grouped(source: DataSource, pattern: str) -> DataSource:
    """The source with the group of each file: what the pattern, or its brackets, match."""
    try:
        matches = [re.search(pattern, entry.path) for entry in source.entries]
    except re.error as error:
        raise BadSpec(f"group_by_name {pattern[:80]!r} is not a pattern: {error}.") from None
    groups = [match and (match[1] if match.re.groups else match[0]) for match in matches]
    without = [e.path for e, group in zip(source.entries, groups, strict=True) if not group]
    if without:
        more = f" and {len(without) - SHOWN:,} more" if len(without) > SHOWN else ""
        raise BadFolder(
            f"group_by_name {pattern[:80]!r} finds no group in {', '.join(without[:SHOWN])}{more}. "
            "It must match a part of every path."
        )
    entries = zip(source.entries, groups, strict=True)
    return replace(source, entries=tuple(replace(entry, group=group) for entry, group in entries))


def _refuse_for_built_in(spec: Spec) -> None:
    for key in ("images", "group_by", "group_by_name"):
        if getattr(spec, key) is not None:
            raise BadSpec(f"{key} has no effect on the built-in {spec.data}; leave it out.")


def _refuse_useless(spec: Spec, source: DataSource) -> None:
    """Raise `BadSpec` for settings of the split where the data bring their own."""
    whole = source.split_given and source.validation_given
    for key, useless in (
        ("split", source.split_given),
        ("splits", source.split_given),
        ("split_seed", whole),
    ):
        if useless and getattr(spec, key) != type(spec).model_fields[key].default:
            raise BadSpec(
                f"{key} has no effect, as {source.labels or source.origin} gives the split; leave "
                "it out."
            )
