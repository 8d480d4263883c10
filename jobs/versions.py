"""Versions of the installed packages that results depend on."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

RESULT_PACKAGES = ("orch", "torch", "torchvision", "timm")
"""Packages whose versions are recorded with each attempt."""


@functools.cache
def version_of(package: str) -> str | None:
    """Version of an installed package, or None. Imports nothing of the package."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def numbers(version: str | None) -> tuple[int, ...]:
    """The numbers of a version, to be compared; empty for an unknown one, the oldest."""
    return tuple(int(each) for each in re.findall(r"\d+", (version or "").split("+")[0]))


def result_versions() -> dict[str, str]:
    """Installed versions of `RESULT_PACKAGES`, by package."""
    return {name: version for name in RESULT_PACKAGES if (version := version_of(name))}


def differing_versions(recorded: Iterable[Mapping[str, str | None]]) -> dict[str, list[str]]:
    """Packages recorded in several versions, each with these, sorted; unknown ones do not count."""
    used: dict[str, set[str]] = {}
    for versions in recorded:
        for package in RESULT_PACKAGES:
            if version := versions.get(package):
                used.setdefault(package, set()).add(version)
    return {package: sorted(distinct) for package, distinct in used.items() if len(distinct) > 1}
