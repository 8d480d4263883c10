"""Asynchronous transfer of arrays to the device and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.runtime import untried


def is_asynchronous(device: torch.device) -> bool:
    """Whether arrays are copied to and from this device while it works: on a GPU, unless off."""
    return device.type == "cuda" and untried.enabled("device_transfer")


def gathered(
    values: npt.NDArray[Any], indices: npt.NDArray[np.int64], device: torch.device
) -> Tensor:
    """`values[indices]` in host memory; for a GPU in pinned pages."""
    kind = torch.from_numpy(np.empty(0, values.dtype)).dtype
    rows = torch.empty(
        (len(indices), *values.shape[1:]), dtype=kind, pin_memory=is_asynchronous(device)
    )
    # With "raise" NumPy would gather into a buffer and copy it.
    np.take(values, indices, axis=0, out=rows.numpy(), mode="clip")
    return rows


def sent(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """The array on the device; a GPU copies it in stream order, and nobody waits (unless off)."""
    here = torch.from_numpy(np.ascontiguousarray(values))
    return (
        here.pin_memory().to(device, non_blocking=True)
        if is_asynchronous(device)
        else here.to(device)
    )


@dataclass(frozen=True, slots=True)
class Coming:
    """Values on their way to the host, and the event to wait for."""

    values: Tensor
    copied: torch.cuda.Event | None

    @classmethod
    def of(cls, values: Tensor) -> Coming:
        """Start copying values from a GPU to the host; on a processor nothing is copied."""
        if not is_asynchronous(values.device):
            return cls(values.cpu(), None)
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        return cls(host, torch.cuda.current_stream(values.device).record_event())

    def arrived(self) -> Tensor:
        """The values, once they have arrived."""
        if self.copied is not None:
            self.copied.synchronize()
        return self.values
