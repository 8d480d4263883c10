"""State dicts: read from a file of weights, and compared with what a network needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor

from jobs.errors import BadWeights

OPTIONAL = "num_batches_tracked"
WRAPPERS = ("module.", "_orig_mod.", "model.")
"""Beginnings of names where a network was saved inside another: DataParallel, torch.compile."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a `.pth` or `.safetensors` file in float32; raises `BadWeights`.

    Tensors of half precision become float32; integers stay.
    """
    try:
        state = _load(path)
    except (ImportError, MemoryError):  # of this environment, whatever the file holds
        raise
    except Exception as error:  # torch.load may raise anything
        raise BadWeights(
            f"{path} is not a weights file that torch can read: {_reason(error)}. Replace the file."
        ) from error
    if not _is_plain(state):
        raise BadWeights(f"{path} is not a plain state dict (names and tensors). {_hint(state)}")
    return {name: _usual_kind(name, value) for name, value in state.items()}


def _usual_kind(name: str, value: Tensor) -> Tensor:
    """The value in float32; counts, which are whole numbers in any type, as integers."""
    if not value.is_floating_point():
        return value
    return value.long() if str(name).endswith(OPTIONAL) else value.float()


def _is_plain(state: object) -> TypeGuard[dict[str, Tensor]]:
    return isinstance(state, dict) and all(
        isinstance(value, torch.Tensor) for value in state.values()
    )


def _hint(state: object) -> str:
    """What to save instead; checkpoints of training programs hold a state dict by some name."""
    inside = state if isinstance(state, dict) else {}
    name = next((key for key, each in inside.items() if _is_plain(each) and each), None)
    if name is not None:
        return f"Its entry {str(name)[:40]!r} is one; save that alone."
    return "Save 'network.state_dict()' there."


def _reason(error: Exception) -> str:
    """The first sentence of an error of torch, without the codes that make terminals bold."""
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    if "Weights only load failed" in words:
        return "it holds Python objects, such as a whole network, and not only names and tensors"
    first = words.partition(". ")[0][:160].rstrip(".")
    return first if any(map(str.isalpha, first)) else f"{type(error).__name__} {first}".strip()


def _load(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def first_mismatch(
    state: dict[str, Tensor], expected: dict[str, Tensor], finite: bool = True
) -> str | None:
    """The first difference of a state dict from the expected one in names, shapes or dtypes.

    With `finite`, values must be finite.
    """
    for name, value in expected.items():
        if name not in state:
            if name.endswith(OPTIONAL):
                continue
            return f"it lacks '{name}'{_wrapped(state, name)}"
        if state[name].shape != value.shape:
            return f"'{name}' has shape {list(state[name].shape)} instead of {list(value.shape)}"
        if state[name].is_floating_point() != value.is_floating_point():
            return f"'{name}' has type {state[name].dtype} instead of {value.dtype}"
        if state[name].layout != value.layout or state[name].is_meta:
            return f"'{name}' is not a plain tensor"
    extra = next((name for name in state if name not in expected), None)
    if extra is not None:
        return f"it has '{extra}', which the network does not have"
    broken = next(
        (name for name, value in state.items() if finite and not value.isfinite().all()), None
    )
    return None if broken is None else f"'{broken}' has values that are not finite"


def _wrapped(state: dict[str, Tensor], name: str) -> str:
    """What to do where each name has the same beginning, as DataParallel and torch.compile save."""
    for prefix in WRAPPERS:
        if f"{prefix}{name}" in state:
            return (
                f" but has '{prefix}{name}': save the state dict of the network inside, "
                f"'network.{prefix}state_dict()'"
            )
    return ""
