"""Warn if neither a live worker nor this machine meets the requirements of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.formatting import gigabytes
from orchestrator.monitoring import fitting, heartbeats

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from orchestrator.local.stack import Stack


def warnings(store: Store, run: Run, here: Stack) -> list[str]:
    """A line for each network whose tasks wait for a worker that fits; `here` are local workers."""
    if not run.spec.has_requirements:
        return []
    alive = [beat for beat in heartbeats.read_heartbeats(store.root) if beat.fresh]
    largest = max([fitting.largest_of(alive), *map(_memory_of, {w.device for w in here.workers})])
    needs = {name: run.spec.gpu_memory_of(name) for name in run.spec.backbones}
    too_large = {name: each for name, each in needs.items() if each > largest}
    if not alive and not largest:
        return [
            f"{name} needs {gigabytes(each)} of GPU memory, and no worker is alive: its "
            "tasks wait for one that fits"
            for name, each in too_large.items()
        ]
    return [
        f"{line}. Its tasks wait for one that fits" for line in fitting.lines(too_large, largest)
    ]


def _memory_of(device: str) -> int:
    """The memory of a GPU of this machine by its name, such as `cuda:1`; 0 if it is none."""
    from workers.devices import discovery, memory

    if not device.startswith("cuda"):
        return 0
    chosen = discovery.gpus()[int(device.partition(":")[2] or 0)]
    return memory.gpu_bytes(discovery.Device("cuda", device, chosen, 1))
