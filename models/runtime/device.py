"""Device and precision of a trial."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from jobs.errors import DeviceFailed, WorkError
from jobs.spec.keys import Precision
from models.runtime import malloc
from models.runtime.out_of_memory import out_of_memory

Chosen = Literal["fp32", "bf16"]
BF16_UNITS = ("amx_bf16", "avx512_bf16")
"""CPU flags of processors that multiply bf16 faster than float32."""
MOSTLY_DEPTHWISE = 0.5
"""A processor computes depthwise convolutions slower in bf16: MobileNet V3 runs at 0.8 of fp32's
speed at 224 px, and at 0.45 at 64 px.
"""
BROKEN = (
    "CUDA error",
    "CUDA driver",
    "CUDA unknown error",
    "No CUDA GPUs",
    "NVIDIA driver",
    "not compiled with CUDA",
    "CUBLAS_STATUS",
    "CUDNN_STATUS",
)
"""Messages of torch for a failed or missing GPU or driver."""


def demand_deterministic(wanted: bool) -> None:
    """Make torch use only repeatable operations from now on; or no longer."""
    torch.use_deterministic_algorithms(wanted)
    # filling uninitialised memory would only cost time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def pick(name: str, deterministic: bool = False) -> torch.device:
    """The device of a request, `cpu` or `cuda` (the first visible GPU).

    cuDNN is made to compute repeatably. `deterministic` demands that of all other operations on a
    GPU too; a processor always does. On a processor, freed memory is kept for the next step from
    now on.
    """
    if name == "cpu":
        malloc.keep_freed_memory()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    demand_deterministic(deterministic and name != "cpu")
    return torch.device(name)


def choose_precision(asked: Precision, device: torch.device, network: nn.Module) -> Chosen:
    """The precision of a trial; `auto` is bf16 where hardware and network gain from it.

    It is a rule, not a timing, so that the same machine always chooses the same.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    there = getattr(torch.cpu, "get_capabilities", dict[str, bool])()
    fast = any(there.get(unit, False) for unit in BF16_UNITS)
    return "bf16" if fast and depthwise_share(network) < MOSTLY_DEPTHWISE else "fp32"


def depthwise_share(network: nn.Module) -> float:
    """Share of the depthwise ones among the convolutions that look beyond one pixel."""
    wide = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1
    ]
    return sum(1 < layer.groups == layer.in_channels for layer in wide) / max(len(wide), 1)


def describe(device: torch.device) -> str:
    """The device for people, such as `cuda (NVIDIA H200)` or `cpu`."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def explained(error: BaseException, alone: bool = True) -> WorkError | None:
    """The device failure behind an error: memory or the device itself; None otherwise."""
    words = " ".join(str(error).split())
    if (memory := out_of_memory(error, alone)) is not None:
        return memory
    if any(each in words for each in BROKEN):
        return DeviceFailed(
            f"the GPU cannot be used: {words[:200].rstrip('.')}. See 'orch doctor' and "
            "'nvidia-smi' on that machine. The task is retried on any free worker."
        )
    return None
