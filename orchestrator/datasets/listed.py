"""The class and checksum of every image of a source, built-in data included."""

from __future__ import annotations

import importlib.util
from collections.abc import Container
from pkgutil import resolve_name

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data.data_source import DataSource

NEEDED = ("numpy", "PIL", "sklearn")


def listed(source: DataSource, without: Container[str] = ()) -> list[tuple[str, str]] | None:
    """Class and SHA-256 of each image, without some paths.

    None for built-in data whose package is not installed.
    """
    if not source.built_in:
        return [(each.label, each.sha256) for each in source.entries if each.path not in without]
    if not all(importlib.util.find_spec(package) for package in NEEDED):
        return None
    images = resolve_name(BUILT_IN_DATA[source.origin].load)()
    return [(label, sha256) for _, label, sha256, _ in images]
