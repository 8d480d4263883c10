"""The source that a request names: a built-in data set or a folder, checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data import image_folder, value_range
from jobs.data.image_folder import DataSource
from jobs.spec.model import Spec


def read(spec: Spec, tell: Callable[[int, int], None] = lambda done, total: None) -> DataSource:
    """The data of a specification; `tell(done, total)` counts files as they are read.

    Raises `BadFolder`, also where the range of values does not fit the images.
    """
    if spec.data in BUILT_IN_DATA:
        source = image_folder.built_in(spec.data)
    else:
        source = image_folder.read_folder(Path(spec.data), tell, spec.classes_at_top)
    value_range.check(source.origin, source.beyond_8_bits, spec.value_range)
    return source
