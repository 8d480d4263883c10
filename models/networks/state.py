"""State dicts: read from a file of weights, and compared with what a network needs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from jobs.errors import BadWeights

OPTIONAL = "num_batches_tracked"


def read_state(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a `.pth` or `.safetensors` file in float32; raises `BadWeights`.

    Tensors of half precision become float32; integers stay.
    """
    try:
        state = _load(path)
    except (ImportError, MemoryError):  # of this environment, whatever the file holds
        raise
    except Exception as error:  # torch.load may raise anything
        reason = " ".join(str(error).split())[:160].rstrip(".")
        raise BadWeights(
            f"{path} is not a weights file that torch can read: {reason}. Replace the file."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise BadWeights(
            f"{path} is not a plain state dict (names and tensors). Save 'network.state_dict()' "
            f"there."
        )
    return {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }


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
            return f"it lacks '{name}'"
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
