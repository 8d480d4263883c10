"""A folder of split folders, such as `train`, `val` and `test`, with class folders in each."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

from jobs.data import given_split, image_folder
from jobs.data.data_source import DataSource, ImageFile
from jobs.data.given_split import TRAIN, named
from jobs.data.request import DataRequest
from jobs.errors import BadFolder

NAME = "split-folders"


def recognised(request: DataRequest) -> bool:
    """Whether the folders of a folder all name splits, and at least two of them."""
    return not request.classes_at_top and len(set(folders(request.place).values())) > 1


def folders(place: Path) -> dict[str, str]:
    """The split of each folder in `place`; empty if one of them names none."""
    try:
        with os.scandir(place) as items:
            names = sorted(
                i.name for i in items if i.is_dir() and not image_folder.is_ignored(i.name)
            )
    except OSError:
        return {}  # listing it as class folders says why
    splits = {name: split for name in names if (split := named(name))}
    return splits if len(splits) == len(names) else {}


def list_source(request: DataRequest) -> DataSource:
    """Classes and files of all split folders; raises `BadFolder`."""
    place = request.place
    entries: list[ImageFile] = []
    classes: set[str] = set()
    beside: list[str] = []
    by_split: dict[str, str] = {}
    for name, split in folders(place).items():
        if split in by_split:
            raise BadFolder(
                f"{place} holds the folders {by_split[split]} and {name}, which both mean "
                f"{split}. Remove or join one of them."
            )
        by_split[split] = name
        labels, files, loose = image_folder.scan(place / name)
        classes |= set(labels)
        beside += [f"{name}/{file}" for file in loose]
        entries += [
            replace(entry, path=f"{name}/{entry.path}", given_split=split) for entry in files
        ]
    entries.sort(key=image_folder.in_order)
    image_folder.check_names(place, sorted(classes), entries)
    source = DataSource(
        str(place.absolute()),
        tuple(sorted(classes)),
        tuple(entries),
        beside=tuple(beside),
        layout=NAME,
    )
    return given_split.checked(source, _advice(place, by_split))


def _advice(place: Path, by_split: dict[str, str]) -> str:
    own = by_split.get(TRAIN) or next(iter(by_split.values()))
    return (
        f"Add the folder that is missing, or give {shlex.quote(str(place / own))}, for which orch "
        "draws a split of its own."
    )
