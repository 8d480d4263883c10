"""A user's own networks: a function in a file, or an entry point of an installed package.

This runs the user's code, with the rights of the process that loads it.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from torch import nn

from jobs.errors import OrchError, UnknownBackbone
from jobs.spec.networks import STUDY, Preparation
from models.networks import timm_networks

GROUP = "orch.backbones"
SHOWN = 200


def from_file(path: Path, function: str, label: str, classes: int) -> nn.Module:
    """The network that a function in a file makes; raises `UnknownBackbone` if it does not."""
    module = _module(path, label)
    make = getattr(module, function, None)
    if not callable(make):
        known = [name for name, value in vars(module).items() if _is_function(value, module)]
        near = difflib.get_close_matches(function, known, n=1, cutoff=0.6)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UnknownBackbone(f"{label}: the file has no function '{function}'.{hint}")
    return _made(make, label, classes)


def from_entry_point(name: str, classes: int) -> nn.Module:
    """The network that the function of an entry point makes; raises `UnknownBackbone`."""
    label = f"entry:{name}"
    known = {each.name: each for each in entry_points(group=GROUP)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f" Did you mean 'entry:{near[0]}'?" if near else ""
        raise UnknownBackbone(
            f"no installed package has an entry point '{name}' in the group '{GROUP}'.{hint} "
            f"Known: {', '.join(sorted(known)) or 'none'}."
        )
    try:
        make = known[name].load()
    except Exception as error:
        raise UnknownBackbone(f"{label} cannot be loaded: {_told(error)}.") from error
    return _made(make, label, classes)


def native(network: nn.Module, label: str) -> Preparation:
    """What a network says of its preparation, as timm does in `pretrained_cfg`; else the study's.

    Its `default_cfg` is read too.
    """
    for key in ("pretrained_cfg", "default_cfg"):
        described = getattr(network, key, None)
        to_dict = getattr(described, "to_dict", None)
        values = to_dict() if callable(to_dict) else described
        if isinstance(values, dict) and "mean" in values:
            return timm_networks.preparation_of(values, label)
    return STUDY


def _module(path: Path, label: str) -> Any:
    """The module in a file, loaded once for its contents."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnknownBackbone(f"{label}: cannot read {path}: {error.strerror}.") from None
    name = f"orch_own_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UnknownBackbone(f"{label}: {path} is not a Python file.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module  # classes in it may be looked up by its name
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UnknownBackbone(f"{label} cannot be loaded: {_told(error)}.") from error
    return module


def _made(make: Callable[[int], Any], label: str, classes: int) -> nn.Module:
    try:
        network = make(classes)
    except OrchError:
        raise
    except (Exception, SystemExit) as error:
        raise UnknownBackbone(
            f"{label}: its function raised {_told(error)}. It must be callable as "
            "make(num_classes)."
        ) from error
    if not isinstance(network, nn.Module):
        raise UnknownBackbone(
            f"{label}: its function returned {type(network).__name__!r}, not a torch.nn.Module."
        )
    return network


def _is_function(value: Any, module: Any) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _told(error: BaseException) -> str:
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(words.split())[:SHOWN].rstrip(".")
