"""Optional packages of formats of a network; a missing one is named with how to install it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from jobs import install_hints
from jobs.catalog.suggest import unknown
from jobs.errors import MissingExtra, RequestError

NEEDED = {
    "torch": ("worker", ("torch", "torchvision")),
    "safetensors": ("timm", ("safetensors",)),
    "onnx": ("onnx", ("onnx", "onnxruntime", "onnxscript")),
    "int8": ("bench", ("onnx", "onnxruntime", "onnxscript")),
}
"""For each format, the extra and the modules that it needs."""


def require(formats: Iterable[str]) -> None:
    """Raise `MissingExtra` for the first format that lacks a module.

    Raises `RequestError` for an unknown format.
    """
    for name in formats:
        if name not in NEEDED:
            raise RequestError(f"{unknown('format', name, NEEDED)}.")
        extra, modules = NEEDED[name]
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            raise MissingExtra(
                f"this needs {', '.join(missing)}. Install it with: "
                f"{install_hints.install_command(extra)}"
            )
