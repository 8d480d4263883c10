"""Files of weights and checkpoints as bytes: whole ones, and ones with code in them."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from jobs import atomic

TRIAL = "scratch-s0-00000000"


class Evil:
    """Unpickling it would make a file named `owned` in the working folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch owned",)


def saved(value: Any, **how: Any) -> bytes:
    """The value as torch saves it."""
    handle = io.BytesIO()
    torch.save(value, handle, **how)
    return handle.getvalue()


def with_code(contents: bytes) -> bytes:
    """A file of torch's whose pickle is replaced by one that runs a command."""
    handle = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(contents)) as old, zipfile.ZipFile(handle, "w") as new:
        for name in old.namelist():
            new.writestr(
                name, pickle.dumps(Evil()) if name.endswith("data.pkl") else old.read(name)
            )
    return handle.getvalue()


def contents(epochs: int = 1, /, **changes: Any) -> dict[str, Any]:
    """What a checkpoint holds, with changes; `...` leaves a part out."""
    made: dict[str, Any] = {
        "trial": TRIAL,
        "epoch": epochs,
        "step": 0,
        "running": {},
        "rows": [{"epoch": n + 1} for n in range(epochs)],
        "network": {"weight": torch.zeros(3)},
        "optimizer": {},
        "scheduler": {},
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not ...}


def put_checkpoint(folder: Path, name: str, stored: bytes, sidecar: object = ...) -> Path:
    """A checkpoint's file with a sidecar that says its digest, or another."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.pt"
    path.write_bytes(stored)
    right = {
        "sha256": atomic.file_digest(path),
        "bytes": len(stored),
        "epoch": 2,
        "step": 0,
        "attempt": "t1",
    }
    told = (
        right if sidecar is ... else {**right, **sidecar} if isinstance(sidecar, dict) else sidecar
    )
    path.with_suffix(".json").write_text(told if isinstance(told, str) else json.dumps(told))
    return path
