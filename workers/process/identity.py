"""Unique process identity that survives PID reuse, checked by others on the same machine."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def process_identity(pid: int | None = None) -> str | None:
    """Boot id, PID namespace, PID and start time of a process; None where /proc does not tell.

    A process that has ended, or is a zombie, has none.
    """
    try:
        here = (
            f"{(PROC / 'sys/kernel/random/boot_id').read_text().strip()} "
            f"{os.readlink(PROC / 'self/ns/pid')}"
        )
        number = os.getpid() if pid is None else pid
        state, *rest = (PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else f"{here} {number} {rest[18]}"
    except (OSError, IndexError):
        return None


def runs_here(known: str | None) -> bool:
    """Whether the process of that identity is, or was, one of this machine since its start."""
    own = process_identity()
    return known is not None and own is not None and _place(known) == _place(own)


def has_ended(known: str | None) -> bool:
    """Whether the process of that identity has ended; one of another machine counts as alive."""
    own = process_identity()
    if known is None or own is None:
        return False
    process = known.rpartition(" ")[0].rpartition(" ")[2]
    return (
        _place(own) == _place(known)
        and process.isdecimal()
        and process_identity(int(process)) != known
    )


def _place(known: str) -> str:
    """Boot id and PID namespace of an identity."""
    return known.rsplit(" ", 2)[0]
