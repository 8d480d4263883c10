"""End a command whose store does not answer, with a line that says so, instead of hanging."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from jobs.store import stall_watch
from jobs.store.stall_watch import StallWatch

SHOW_CURSOR = b"\x1b[?25h\n"

_WATCHES: list[StallWatch] = []


def watch(store: Path, exit_code: int = stall_watch.StoreStalled.exit_code) -> None:
    """From now on end this process if the store is silent for `stall_watch.LIMIT_S`."""
    end()
    give_up = partial(_give_up, store, exit_code)
    _WATCHES.append(StallWatch(store, give_up, limit_s=stall_watch.LIMIT_S).start())


def end() -> None:
    """Leave this process alone, whatever the store does."""
    while _WATCHES:
        _WATCHES.pop().end()


def _give_up(store: Path, exit_code: int, silent_s: float) -> None:
    """Nothing else ends a process whose thread hangs in a dead mount."""
    if sys.__stdout__ is not None and sys.__stdout__.isatty():
        os.write(sys.__stdout__.fileno(), SHOW_CURSOR)
    os.write(2, f"error: {stall_watch.stalled(store)}\n".encode(errors="backslashreplace"))
    os._exit(exit_code)
