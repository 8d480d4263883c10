"""What a training used of its device: peak memory, and energy where NVIDIA's management library (NVML) counts it."""

from __future__ import annotations

import contextlib
import resource
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Nvml(Protocol):
    """The part of the module `pynvml` that is asked."""

    def nvmlInit(self) -> Any:
        """Open the library; as often as it is closed."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:
        """The GPU of that identity, such as `GPU-8c2f...`."""

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:
        """Millijoules that the whole GPU has used since its driver was loaded."""

    def nvmlShutdown(self) -> Any:
        """Close the library."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Begun when a training had come to `begun` (epochs, with a fraction), the GPU's counter at `before` (mJ)."""

    device: torch.device
    begun: float
    nvml: Nvml | None
    uuid: str | None
    before: int | None

    @classmethod
    def begin(cls, device: torch.device, begun: float) -> Meter:
        """A meter for the rest of this process's training; without NVML it measures memory alone."""
        uuid = identity(device)
        nvml = load() if uuid else None
        return cls(device, begun, nvml, uuid, millijoules(nvml, uuid))

    def read(self) -> dict[str, Any]:
        """Facts for the outcome; `energy_joules` is left out where it was not counted from begin to end."""
        facts: dict[str, Any] = {
            "peak_memory_bytes": peak_memory(self.device),
            "measured_from": self.begun,
        }
        if self.device.type == "cuda":
            facts["peak_reserved_bytes"] = taken_memory(self.device)
        now = millijoules(self.nvml, self.uuid)
        if self.before is not None and now is not None and now >= self.before:
            facts["energy_joules"] = (now - self.before) / 1000
        return facts


def peak_memory(device: torch.device) -> int:
    """Bytes: on a GPU the most that torch held in tensors there, else the most of this process that was resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def taken_memory(device: torch.device) -> int:
    """Bytes: the most that others could not use meanwhile; on a GPU torch's reserve, without the CUDA context."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_memory(device)


def millijoules(nvml: Nvml | None, uuid: str | None) -> int | None:
    """The energy counter of a GPU, None where there is none (older GPUs, parts of a GPU, no right to read it)."""
    if nvml is None or uuid is None:
        return None
    with contextlib.suppress(
        Exception
    ):  # whatever a driver answers, a measure is no reason for a training to fail
        nvml.nvmlInit()
        try:
            return int(
                nvml.nvmlDeviceGetTotalEnergyConsumption(nvml.nvmlDeviceGetHandleByUUID(uuid))
            )
        finally:
            nvml.nvmlShutdown()
    return None


def identity(device: torch.device) -> str | None:
    """What NVML calls a CUDA device: it numbers GPUs by itself, without regard to which of them are visible."""
    if device.type != "cuda":
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"GPU-{uuid}" if uuid else None


def load() -> Nvml | None:
    """The module `pynvml` (package nvidia-ml-py), None where it is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    found: Nvml = pynvml
    return found
