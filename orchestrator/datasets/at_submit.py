"""What a user is told about the data when a run is submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.data.data_source import DataSource
from jobs.errors import BadFolder
from jobs.spec.model import DataSettings, Spec
from orchestrator import network_check
from orchestrator.datasets import findings, notes
from orchestrator.datasets.findings import Findings

if TYPE_CHECKING:
    from orchestrator.preflight import Request

MAX_LOOKED_AT = 20_000
"""In a larger folder only names and checksums are compared; looking takes 2 ms an image."""


def of_request(
    request: Request, tell: Callable[[int, int], None] = lambda done, total: None
) -> list[str]:
    """Notes on the data of a request and its preparation; the recorded ones where its run exists.

    Raises `BadFolder` for what preparing the data set would fail on.
    """
    if request.known:
        return [*request.known.notes]
    return [*lines(request.source, request.spec, tell), *network_check.notes(request.spec)]


def lines(
    source: DataSource, spec: Spec, tell: Callable[[int, int], None] = lambda done, total: None
) -> list[str]:
    """Lines about what is odd in a folder; none for a built-in data set.

    Raises `BadFolder` for what preparing the data set would fail on.
    """
    if source.built_in:
        return []
    source_findings = find(source, spec.data_settings(), tell)
    if unsplit := notes.unsplit(source_findings):
        raise BadFolder(f"{source.origin}: {unsplit}.")
    told = notes.lines(source_findings)
    if source_findings.broken:
        told.insert(0, notes.broken(source_findings.broken, True))
    if not source_findings.looked:
        told.append(
            "the images themselves were not looked at"
            + ("" if _few(source) else f", as there are more than {MAX_LOOKED_AT:,}")
            + ": orch data inspect does it where Pillow is installed"
        )
    return told


def find(
    source: DataSource,
    settings: DataSettings,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """What is odd about a folder.

    Raises `BadFolder` for broken files that are not left out, and where a class has no others.
    """
    source_findings = findings.find(source, settings, tell, quick=True, look=_few(source))
    if source_findings.broken and not settings.skip_broken:
        raise BadFolder(
            f"{source.origin}: {notes.broken(source_findings.broken, False)}. "
            "Give --skip-broken to leave broken files out, or mend or remove them."
        )
    whole = {each.label for each in source.entries if each.path not in source_findings.broken}
    if bare := [label for label in source.classes if label not in whole]:
        raise BadFolder(
            f"{source.origin}: every file of class(es) {', '.join(bare)} is broken. Add images or "
            "remove the folder(s)."
        )
    return source_findings


def _few(source: DataSource) -> bool:
    return len(source.entries) <= MAX_LOOKED_AT
