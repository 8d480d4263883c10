"""Lines below a run in a list of runs: what tells it apart, what this orch lacks, its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.formatting import megabytes

if TYPE_CHECKING:
    from jobs.store.store import Store


def lines(
    own: Mapping[str, str], sizes: Mapping[str, dict[str, int]], settings: Mapping[str, Any]
) -> dict[str, list[str]]:
    """The lines of each run; `own` is what tells runs apart, `settings` are those of all runs."""
    from jobs.spec import unknown_entries

    notes = {name: [line] for name, line in own.items()}
    for name, recorded in settings.items():
        if unknown := unknown_entries.told(recorded):
            notes.setdefault(name, []).append(f"it {unknown}")
    for name, bytes_of_run in sizes.items():
        notes.setdefault(name, []).append(size_line(bytes_of_run))
    return notes


def size(store: Store, name: str) -> dict[str, int]:
    """Bytes of a run alone, and of what it shares with other runs."""
    from jobs.maintenance import removal

    alone, shared = removal.size_of_run(store, store.outline(name))
    return {"bytes": alone, "shared_bytes": shared}


def size_line(sizes: Mapping[str, int]) -> str:
    """The same as a line."""
    shared = f", and {megabytes(sizes['shared_bytes'])} that other runs share"
    more = shared if sizes["shared_bytes"] else ""
    return f"size: {megabytes(sizes['bytes'])} of this run alone{more}"
