"""Which versions of orch, torch and torchvision a run's results were made with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.versions import RESULT_PACKAGES, differing_versions


def differing_in_attempts(attempts: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Packages of which finished attempts used several versions, each with these, sorted.

    `attempts` are rows of the table. Those recorded without versions (by orch 0.1.0) are left out.
    """
    return differing_versions(
        {package: attempt.get(f"{package}_version") for package in RESULT_PACKAGES}
        for attempt in attempts
        if attempt.get("state") == "done"
    )
