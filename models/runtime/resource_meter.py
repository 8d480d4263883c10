"""Resource usage of a training: peak memory, and energy where NVML counts it."""

from __future__ import annotations

import contextlib
import resource
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Nvml(Protocol):
    """The functions of the module `pynvml` that are used."""

    def nvmlInit(self) -> Any:
        """Open the library; each call needs a shutdown."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:
        """The GPU with that UUID, such as `GPU-8c2f...`."""

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:
        """Energy of the whole GPU since its driver was loaded, in millijoules."""

    def nvmlShutdown(self) -> Any:
        """Close the library."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter started at `begun` epochs (with a fraction), when the GPU counter was `before` mJ."""

    device: torch.device
    begun: float
    nvml: Nvml | None
    uuid: str | None
    before: int | None

    @classmethod
    def begin(cls, device: torch.device, begun: float) -> Meter:
        """A meter for the rest of this training; without NVML it measures memory only."""
        uuid = identity(device)
        nvml = load() if uuid else None
        return cls(device, begun, nvml, uuid, millijoules(nvml, uuid))

    def read(self) -> dict[str, Any]:
        """Facts for the task result; `energy_joules` only if counted from start to end."""
        facts: dict[str, Any] = {
            "peak_memory_bytes": peak_memory(self.device),
            "measured_from": self.begun,
        }
        if self.device.type == "cuda":
            facts["peak_reserved_bytes"] = taken_memory(self.device)
        if (joules := self.joules()) is not None:
            facts["energy_joules"] = joules
        return facts

    def joules(self) -> float | None:
        """Energy of the GPU so far; None where it is not counted from start to end."""
        now = millijoules(self.nvml, self.uuid)
        if self.before is None or now is None or now < self.before:
            return None
        return (now - self.before) / 1000


def peak_memory(device: torch.device) -> int:
    """Peak bytes: of tensors held by torch on a GPU, else resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def taken_memory(device: torch.device) -> int:
    """Peak bytes unavailable to others; on a GPU torch's reserve without the CUDA context."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_memory(device)


def millijoules(nvml: Nvml | None, uuid: str | None) -> int | None:
    """Energy counter of a GPU in millijoules; None if unavailable (older GPU, MIG, permission)."""
    if nvml is None or uuid is None:
        return None
    with contextlib.suppress(Exception):  # an error of measuring must never fail a training
        nvml.nvmlInit()
        try:
            return int(
                nvml.nvmlDeviceGetTotalEnergyConsumption(nvml.nvmlDeviceGetHandleByUUID(uuid))
            )
        finally:
            nvml.nvmlShutdown()
    return None


def identity(device: torch.device) -> str | None:
    """The UUID of a CUDA device; NVML numbers GPUs regardless of CUDA_VISIBLE_DEVICES."""
    if device.type != "cuda":
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"GPU-{uuid}" if uuid else None


def load() -> Nvml | None:
    """The module `pynvml` (package nvidia-ml-py), or None if it is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    nvml: Nvml = pynvml
    return nvml
