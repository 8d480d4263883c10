"""The latest run that trains networks, for commands that need trained ones."""

from __future__ import annotations

import contextlib

from jobs.errors import DamagedFile, OutOfReach
from jobs.store.runs import Run
from jobs.store.store import Store


def latest_training(store: Store) -> Run:
    """The run submitted last of those that train networks, else the latest of all.

    Raises `UnknownRun` if there is none.
    """
    for name in reversed(store.run_names()):
        with contextlib.suppress(DamagedFile, OutOfReach, OSError):
            if not store.outline(name).settings.get("rank"):
                return store.load_run(name)
    return store.latest_run()
