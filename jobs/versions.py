"""Versions of the installed packages that results depend on."""

from __future__ import annotations

import functools
import importlib.metadata

RESULT_PACKAGES = ("orch", "torch", "torchvision", "timm")
"""Packages whose versions are recorded with each attempt."""


@functools.cache
def version_of(package: str) -> str | None:
    """Version of an installed package, or None. Imports nothing of the package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def result_versions() -> dict[str, str]:
    """Installed versions of `RESULT_PACKAGES`, by package."""
    return {name: version for name in RESULT_PACKAGES if (version := version_of(name))}
