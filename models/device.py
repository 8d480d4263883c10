"""Where a trial computes, and in which precision."""

from __future__ import annotations

from typing import Literal

import torch

from jobs.errors import Crowded, OutOfMemory
from jobs.spec import Precision
from models import repeatable

Chosen = Literal["fp32", "bf16"]


def pick(name: str, deterministic: bool = False) -> torch.device:
    """The device an order names, `cpu` or `cuda` (the first that is visible), with cuDNN made to compute repeatably.

    `deterministic` demands the same of everything else on a GPU; a processor does so anyway.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    repeatable.demand(deterministic and name != "cpu")
    return torch.device(name)


def choose_precision(asked: Precision, device: torch.device) -> Chosen:
    """What was asked for; for `auto`, bf16 where the hardware multiplies it fast (AMX, a GPU of its time)."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, bool])()
    return "bf16" if capabilities.get("amx_bf16", False) else "fp32"


def describe(device: torch.device) -> str:
    """The device's name for a person, such as `cuda (NVIDIA H200)` or `cpu`."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def out_of_memory(error: BaseException, alone: bool = True) -> OutOfMemory | Crowded | None:
    """The error as `OutOfMemory`, or as `Crowded` of a task that is not alone on its device, if it is that, else None.
    """
    words = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in words:
        reason = " ".join(words.split())[:160] or "the machine has none left"
        if not alone:
            return Crowded(f"too little memory beside other tasks: {reason}. The task is tried again alone.")
        return OutOfMemory(f"too little memory for the task: {reason}. "
                           "Take a smaller --batch-size or --image-size, or a bigger device.")
    return None
