"""The latest run with results, for commands that need trained networks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from jobs.errors import DamagedFile, OutOfReach
from jobs.spec import unknown_entries
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store


@dataclass(frozen=True, slots=True)
class Latest:
    """The run that fits, a later one that does not, and whether an earlier one fits too."""

    run: Run
    later: RunOutline | None = None
    several: bool = False


def latest_having(store: Store, kind: str) -> Latest:
    """The run submitted last of those with a finished task of this kind.

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
        return Latest(store.latest_run())
    if (chosen := next(having, None)) is not None:
        later = None if chosen is readable[0] else readable[0]
        return Latest(store.load_run(chosen.name), later, next(having, None) is not None)
    return Latest(store.load_run(next(training, (known or readable)[0]).name))


def _readable(store: Store) -> list[RunOutline]:
    """The readable runs, the latest first."""
    runs = []
    for name in reversed(store.run_names()):
        with contextlib.suppress(DamagedFile, OutOfReach, OSError):
            runs.append(store.outline(name))
    return runs
