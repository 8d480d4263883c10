"""What a Python program hears of a store that does not answer: a warning of its logger."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from jobs.store import stall_watch
from jobs.store.stall_watch import StallWatch

log = logging.getLogger("orch.store")

_WATCHES: dict[Path, StallWatch] = {}


def watch(store: Path) -> None:
    """From now on warn when the store is silent for `stall_watch.LIMIT_S`; once a process.

    Calls go on to wait, as only the mount can end them. Python shows warnings of a logger on
    stderr, unless the program says otherwise.
    """
    if store not in _WATCHES:
        _WATCHES[store] = StallWatch(
            store,
            partial(_tell_stall, store),
            partial(_tell_answer, store),
            limit_s=stall_watch.LIMIT_S,
        ).start()


def _tell_stall(store: Path, silent_s: float) -> None:
    log.warning("%s This program waits; %.0f s so far.", stall_watch.stalled(store), silent_s)


def _tell_answer(store: Path, silent_s: float) -> None:
    log.warning("the store at %s answers again, after %.0f s.", store, silent_s)
