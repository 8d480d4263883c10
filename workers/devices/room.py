"""Whether a machine has room for so many workers: a GPU for each, or memory and cores."""

from __future__ import annotations

import psutil

from workers.devices.discovery import DeviceTaken, available_cores, look_up
from workers.devices.memory import limits

WORKER_BYTES = 500_000_000
"""A worker on a processor needs as much before it trains anything, for torch."""
FEW, A_CORE = 8, 4
"""Workers that any processor may have, and those for each of its cores."""


def require_room(
    workers: int | None,
    asked: str | None,
    gpus_here: list[str] | None = None,
    memory_bytes: int | None = None,
) -> None:
    """Raise `DeviceTaken` for more workers than there are GPUs, or than a processor can serve.

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
    cores = available_cores()
    most = max(1, min(memory // WORKER_BYTES, max(FEW, A_CORE * cores)))
    if workers > most:
        raise DeviceTaken(
            f"--workers {workers}: on {cores} processor core(s) and {memory / 1e9:.0f} GB of "
            f"memory at most {most} are started, as each has torch in memory. Give fewer, such as "
            "one for each core."
        )
