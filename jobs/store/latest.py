"""The latest run with results, for commands that need trained networks."""

from __future__ import annotations

import contextlib

from jobs.errors import DamagedFile, OutOfReach
from jobs.spec import unknown_entries
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store


def latest_having(store: Store, kind: str) -> tuple[Run, RunOutline | None]:
    """The run submitted last of those with a finished task of this kind, and a later one if any.

    Where no run has one, it is the latest that trains, else the latest of all; then none is passed
    over. A run that names what this orch does not know has none. Raises `UnknownRun` for no run.
    """
    done = store.ledger().done
    readable = _readable(store)
    known = [run for run in readable if not unknown_entries.told(run.settings)]
    having = (
        run
        for run in known
        if any(task in done for task in run.tasks if task.startswith(f"{kind}."))
    )
    training = (run for run in known if not run.settings.get("rank"))
    if not readable:
        return store.latest_run(), None
    if (chosen := next(having, None)) is not None:
        later = None if chosen is readable[0] else readable[0]
        return store.load_run(chosen.name), later
    return store.load_run(next(training, (known or readable)[0]).name), None


def _readable(store: Store) -> list[RunOutline]:
    """The readable runs, the latest first."""
    runs = []
    for name in reversed(store.run_names()):
        with contextlib.suppress(DamagedFile, OutOfReach, OSError):
            runs.append(store.outline(name))
    return runs
