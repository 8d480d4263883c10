"""Where a trial computes, and in which precision."""

from __future__ import annotations

from typing import Literal

import torch

from jobs.errors import Crowded, DeviceFailed, OutOfMemory, WorkError
from jobs.spec.model import Precision
from models.networks.deterministic import demand
from models.runtime import malloc

Chosen = Literal["fp32", "bf16"]
BF16_UNITS = ("amx_bf16", "avx512_bf16")
"""What a processor that multiplies bf16 faster than float32 says of itself."""
NO_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""How torch, the CUDA driver, cuBLAS and cuDNN say that there is no memory left."""
NO_ENGINE = "unable to find an engine"
"""What cuDNN says when each of its ways to compute was refused, be it for want of memory or of a way."""
LITTLE_BYTES = 2**30
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
"""How torch says that a GPU or its driver has failed, or is not there for it."""
DEPTHWISE = frozenset({"mobilenet-v3"})
"""Backbones of depthwise convolutions, which a processor computes slower in bf16 (0.8 x at 224 px, 0.45 x at 64)."""


def pick(name: str, deterministic: bool = False) -> torch.device:
    """The device an order names, `cpu` or `cuda` (the first that is visible), with cuDNN made to compute repeatably.

    `deterministic` demands the same of everything else on a GPU; a processor does so anyway. On a processor, memory
    that is freed is kept for the next step from now on.
    """
    if name == "cpu":
        malloc.keep_freed_memory()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    demand(deterministic and name != "cpu")
    return torch.device(name)


def choose_precision(asked: Precision, device: torch.device, backbone: str) -> Chosen:
    """What was asked for; for `auto`, bf16 where the hardware multiplies it fast and the backbone gains by it.

    By a rule and not by a timing, so that the same machine always chooses the same.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    there = getattr(torch.cpu, "get_capabilities", dict[str, bool])()
    fast = any(there.get(unit, False) for unit in BF16_UNITS)
    return "bf16" if fast and backbone not in DEPTHWISE else "fp32"


def describe(device: torch.device) -> str:
    """The device's name for a person, such as `cuda (NVIDIA H200)` or `cpu`."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def out_of_memory(error: BaseException, alone: bool = True) -> OutOfMemory | Crowded | None:
    """The error as `OutOfMemory`, or as `Crowded` of a task that is not alone on its device, if it is that, else None.

    Not all of CUDA's errors of this kind are torch's own: its driver, cuBLAS and cuDNN say it in words.
    """
    words = str(error)
    if (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or any(each in words for each in NO_MEMORY)
        or (NO_ENGINE in words and (not alone or _little_left()))
    ):
        reason = " ".join(words.split())[:160] or "the machine has none left"
        if not alone:
            return Crowded(
                f"too little memory beside other tasks: {reason}. The task is tried again alone."
            )
        return OutOfMemory(
            f"too little memory for the task: {reason}. "
            "Take a smaller --batch-size or --image-size, or a bigger device."
        )
    return None


def explained(error: BaseException, alone: bool = True) -> WorkError | None:
    """What of the device a task failed for: its memory, or the device itself; None where it is another matter."""
    words = " ".join(str(error).split())
    if (memory := out_of_memory(error, alone)) is not None:
        return memory
    if any(each in words for each in BROKEN):
        return DeviceFailed(
            f"the GPU cannot be used: {words[:200].rstrip('.')}. See 'orch doctor' and 'nvidia-smi' "
            "on that machine; the task is tried again, by whoever comes first."
        )
    return None


def _little_left() -> bool:
    return torch.cuda.is_initialized() and torch.cuda.mem_get_info()[0] < LITTLE_BYTES  # type: ignore[no-untyped-call]
