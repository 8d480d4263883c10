"""Recognise that memory ran out, and what then happens.

1. A step of training frees what can be made anew and is done again (`training/loop.py`); an
   evaluation goes on with half as many images at once (`training/inference.py`).
2. A training that ran alone splits its batches from that step on, recorded with the trial
   (`training/microbatches.py`), and continues in a new attempt (`training/train.py`).
3. A task that ran beside others never splits: it is tried again alone (`Crowded`;
   `workers/execution/attempts.py` decides that).
4. Where a single image does not fit, the attempt fails with `OutOfMemory`.
"""

from __future__ import annotations

import torch

from jobs.errors import Crowded, OutOfMemory

NO_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""Messages of torch, the CUDA driver, cuBLAS and cuDNN for out of memory."""
NO_ENGINE = "unable to find an engine"
"""Message of cuDNN when all its algorithms failed.

The reason may be too little memory or an unsupported operation.
"""
LITTLE_BYTES = 2**30


def out_of_memory(error: BaseException, alone: bool = True) -> OutOfMemory | Crowded | None:
    """The error as `OutOfMemory`, or `Crowded` for a task beside others; None for other errors.

    Some CUDA errors of this kind come from the driver, cuBLAS or cuDNN and are recognised by text.
    """
    words = str(error)
    if (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or any(each in words for each in NO_MEMORY)
        or (NO_ENGINE in words and (not alone or _little_left()))
    ):
        reason = " ".join(words.split())[:160] or "no memory left"
        if not alone:
            return Crowded(
                f"out of memory while other tasks ran on the device: {reason}. The task is retried "
                "exclusively."
            )
        return OutOfMemory(
            f"out of memory: {reason}. Use a smaller --batch-size or --image-size, or a device "
            "with more memory."
        )
    return None


def _little_left() -> bool:
    return torch.cuda.is_initialized() and torch.cuda.mem_get_info()[0] < LITTLE_BYTES  # type: ignore[no-untyped-call]
