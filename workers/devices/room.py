"""Whether a machine has room for so many workers: one for each GPU, and memory on a processor."""

from __future__ import annotations

import psutil

from workers.devices.discovery import DeviceTaken, look_up
from workers.devices.memory import limits

WORKER_BYTES = 500_000_000
"""A worker on a processor needs as much before it trains anything, for torch."""


def require_room(
    workers: int | None,
    asked: str | None,
    gpus_here: list[str] | None = None,
    memory_bytes: int | None = None,
) -> None:
    """Raise `DeviceTaken` for more workers than there are GPUs, or than fit into the memory.

    `memory_bytes` is that of the machine, by default what is installed and allowed.
    """
    if workers is None:
        return
    there, index = look_up(asked, gpus_here)
    devices = len(there) if index is None else 1
    if asked != "cpu" and there:
        if workers > devices:
            raise DeviceTaken(
                f"{workers} workers were asked for, but there is one worker for each GPU: "
                f"{devices} here. Give --workers {devices}, or --slots to train several networks "
                "on each."
            )
        return
    memory = memory_bytes or min([psutil.virtual_memory().total, *limits()])
    most = max(1, memory // WORKER_BYTES)
    if workers > most:
        raise DeviceTaken(
            f"{workers} workers need at least {workers * WORKER_BYTES / 1e9:.0f} GB of memory, and "
            f"this machine has {memory / 1e9:.0f}. Give --workers {most} or fewer; more than one "
            "for each core make nothing faster."
        )
