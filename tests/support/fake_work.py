"""Fake work of a child, without training: its behaviour is in the name of its data set or trial.
`main` has the signature of `models.entrypoint.main` and is found by name like it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.errors import BadCheckpoint, BatchSplit, DeviceFailed, LossNotFinite, Stopped, StorageFull
from jobs.task import Task


def main(
    order: dict[str, Any], tell: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Do what the file `behave` in the store says, one word per call (see `_misbehave`); else
    succeed.
    """
    behave = Path(order["store"]) / "behave"
    words = behave.read_text().split() if behave.exists() else []
    if words:
        behave.write_text(" ".join(words[1:]))
    tell({"phase": "train", "done": 1, "total": 2})
    if words and words[0].startswith("takes"):
        tell({"phase": "train", "memory_bytes": int(words[0].removeprefix("takes"))})
        words = ["slow"]
    _misbehave(words[0] if words else "well", should_stop)
    task = Task.parse(order["task"])
    (Path(order["work_folder"]) / "out.txt").write_text(task.id)
    return {
        "files": {"out.txt": f"results/out/{task.id}.txt"},
        "epoch": task.epoch,
        "threads": order["threads"],
        "device": "alone" if order["alone"] else "shared",
    }


def _misbehave(word: str, should_stop: Callable[[], bool]) -> None:
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "fat":
        raise MemoryError
    if word == "bug":
        raise ZeroDivisionError("a bug in the work")
    if word == "full":
        raise StorageFull("cannot write the checkpoint: No space left on device")
    if word == "rotten":
        raise BadCheckpoint("the checkpoint is torn or rotten")
    if word == "big":
        raise BatchSplit(
            "a batch of 32 did not fit into memory; from there on it is trained in 2 micro-batches"
        )
    if word == "broken":
        raise DeviceFailed(
            "the GPU cannot be used: CUDA error: uncorrectable ECC error encountered."
        )
    if word == "bad":
        raise LossNotFinite("epoch 1, step 3: the loss is nan")
    if word == "hang":
        time.sleep(600)
    if word == "grip":
        ctypes.PyDLL(None).sleep(600)
    while word == "slow":
        if should_stop():
            raise Stopped("asked to stop at step 3")
        time.sleep(0.02)


def program(
    order: dict[str, Any], tell: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The program that multiprocessing made this child run before its work."""
    started = sys.modules.get("__mp_main__")
    described = getattr(started, "__spec__", None)
    return {"file": getattr(started, "__file__", None), "name": getattr(described, "name", None)}
