"""Memory of a device, and the measured memory of tasks; no torch."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from jobs import atomic
from jobs.errors import OrchError
from jobs.store.store import Store
from jobs.task import Task, Trial
from workers.devices.discovery import Device, query_gpu

GPU_SHARE = 0.95
CPU_SHARE = 0.8
"""Share of a device's memory that tasks may use."""
CONTEXT_BYTES = 2**30
"""GPU memory of a process beside torch: CUDA context, code of cuDNN and cuBLAS."""
UNUSED = 1.2
"""Ratio of reserved to tensor memory, for records with tensors alone."""
AGAIN_S = 5.0
CGROUPS = Path("/sys/fs/cgroup")

Likeness = tuple[str, int, int, str, str, str, bool]
"""Backbone, image size, batch size, precision, what is trained, optimiser, whether averaged.

Equal ones need equal memory."""


def total_bytes(device: Device) -> int:
    """Bytes that tasks may use on a device; 0 if unknown, and tasks then run one at a time.

    On a GPU all of its memory (nvidia-smi). On a processor what is available now, within the limit
    of the control group. The share above is taken of both.
    """
    if device.kind == "cuda":
        return int(GPU_SHARE * _gpu_bytes(device.visible))
    return int(CPU_SHARE * min([psutil.virtual_memory().available, *limits()]))


def gpu_bytes(device: Device) -> int:
    """All memory of a GPU; 0 for a processor, and where the driver does not tell (as with MIG)."""
    return _gpu_bytes(device.visible) if device.kind == "cuda" else 0


def on_gpu(tensor_bytes: int, reserved_bytes: int | None = None) -> int:
    """GPU memory of a process, from its tensors and, where measured, reserved bytes."""
    return int(reserved_bytes or UNUSED * tensor_bytes) + CONTEXT_BYTES


@dataclass(slots=True)
class MeasuredMemory:
    """Recorded peaks for one kind of device; each record is read once. Thread-safe."""

    store: Store
    kind: str
    _peaks: dict[Likeness, int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _looked: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expected(self, task: Task) -> int | None:
        """Expected peak bytes of a task, from similar trainings; None if none was measured.

        An evaluation needs less than its training; preparing images needs no GPU memory.
        """
        if task.kind == "prepare":
            return 0 if self.kind == "cuda" else None
        trial = self.store.load_trial(task.subject)
        with self._lock:
            network = task.subject.rpartition("-s")[0]
            if time.monotonic() - self._looked.get(network, float("-inf")) >= AGAIN_S:
                self._look(network)
                self._looked[network] = time.monotonic()
            return self._peaks.get(self._likeness(trial))

    def _look(self, network: str) -> None:
        """Read results of the network's trainings since the last look; trials are named by it."""
        names = atomic.list_names(self.store.ledger_folder("done"))
        for name in (
            n for n in names if n.startswith(f"train.{network}-s") and n not in self._seen
        ):
            self._seen.add(name)
            with contextlib.suppress(OrchError):  # an unreadable record measured nothing
                self._read(Task.parse(name.removesuffix(".json")))

    def _read(self, training: Task) -> None:
        result = self.store.done(training)
        peak = result.peak_memory_bytes if result else None
        if result is None or peak is None or (result.device or "").split(" ")[0] != self.kind:
            return
        taken = on_gpu(peak, result.peak_reserved_bytes) if self.kind == "cuda" else peak
        alike = self._likeness(self.store.load_trial(training.subject))
        self._peaks[alike] = max(taken, self._peaks.get(alike, 0))

    def _likeness(self, trial: Trial) -> Likeness:
        size = self.store.described(trial.data).settings.image_size
        recipe = trial.recipe
        how = (recipe.precision, recipe.finetune, recipe.optimiser, recipe.ema is not None)
        return trial.identity, size, recipe.batch_size, *how


def _gpu_bytes(visible: str) -> int:
    """Total memory of a GPU; 0 if unknown."""
    said = query_gpu(visible, "memory.total")
    return int(said) * 2**20 if said.isdecimal() else 0


def limits(groups: Path = CGROUPS) -> list[int]:
    """Memory limits (bytes) of this control group (v1 and v2) and of its container."""
    own = []
    with contextlib.suppress(OSError):
        own = [
            line.partition("::")[2].lstrip("/")
            for line in Path("/proc/self/cgroup").read_text().splitlines()
        ]
    places = {
        *(groups / path / "memory.max" for path in own),
        groups / "memory.max",
        groups / "memory" / "memory.limit_in_bytes",
    }
    limits_bytes = []
    for place in places:
        with contextlib.suppress(OSError, ValueError):
            limits_bytes.append(int(place.read_text()))
    return limits_bytes
