"""A copy of a training's state in host memory, written while the training continues."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from models.runtime.out_of_memory import out_of_memory

CGROUPS = Path("/sys/fs/cgroup")
SHARE = 0.5
"""Maximum share of the spare memory for a copy; the next step and others need the rest."""


def copy_state(
    state: dict[str, Any], spare: Callable[[], int] | None = None
) -> dict[str, Any] | None:
    """A copy of the state on the CPU; None if there is too little memory.

    From a GPU it is copied into pinned memory, which torch keeps for the next copy.
    """
    if _bytes(state) > SHARE * (spare or spare_bytes)():
        return None
    try:
        copied: dict[str, Any] = _copied(state)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            # Waits for the copies, not for work queued on the GPU later.
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
            arrived.synchronize()
    except (MemoryError, RuntimeError) as error:
        if out_of_memory(error) is None:
            raise
        return None
    return copied


def spare_bytes(groups: Path = CGROUPS) -> int:
    """Bytes that this process may still allocate, within the limits of its control group."""
    own = []
    with contextlib.suppress(OSError):
        own = [
            line.partition("::")[2].lstrip("/")
            for line in Path("/proc/self/cgroup").read_text().splitlines()
        ]
    places = {place / name for place in (groups, groups / "memory") for name in (*own, "")}
    left = [_left(place) for place in places]
    return min([psutil.virtual_memory().available, *(each for each in left if each is not None)])


def _left(group: Path) -> int | None:
    """Bytes left in a control group (v1 or v2), page cache not counted; None without a limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            cached = int(told.get("total_inactive_file", told.get("inactive_file", "0")))
            return int((group / limit).read_text()) - int((group / used).read_text()) + cached
    return None


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.device.type == "cpu":
            return value.clone()
        return torch.empty_like(value, device="cpu", pin_memory=True).copy_(
            value, non_blocking=True
        )
    if isinstance(value, dict):
        # A state dict keeps its type and the metadata of torch.
        made = copy(value)
        made.update((key, _copied(each)) for key, each in value.items())
        return made
    if isinstance(value, (list, tuple)):
        return type(value)(map(_copied, value))
    return value


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, (list, tuple)) else 0
