"""The source that a request names: a built-in data set or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data import image_folder
from jobs.data.image_folder import DataSource


def read_source(
    data: str, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> DataSource:
    """The data set of this name or folder, listed with checksums.

    `on_progress(done, total)` counts the files as they are read. Raises `BadFolder`.
    """
    if data in BUILT_IN_DATA:
        return image_folder.built_in(data)
    return image_folder.read_folder(Path(data), on_progress)
