"""Which versions of orch, torch and torchvision a run's results were made with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.versions import RESULT_PACKAGES


def differing_versions(attempts: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Packages of which finished attempts used several versions, each with these, sorted.

    Attempts recorded without versions (by orch 0.1.0) are left out.
    """
    used: dict[str, set[str]] = {}
    for attempt in attempts:
        for package in RESULT_PACKAGES:
            version = attempt.get(f"{package}_version")
            if version is not None and attempt.get("state") == "done":
                used.setdefault(package, set()).add(version)
    return {package: sorted(versions) for package, versions in used.items() if len(versions) > 1}
