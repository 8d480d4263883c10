"""What a local worker took from the environment of the command that started it.

Kept as short hashes, because addresses of proxies may hold passwords. A worker whose environment
differs from that of a later command is restarted: it would not find what that command has checked.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping

from jobs.settings import BROKER_FILES, Settings
from models.networks import weights
from orchestrator import own_packages

KEPT = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    *(f"{name}_proxy" for name in ("http", "https", "no", "all")),
    *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO", "ALL")),
)
APART = ("ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR", *BROKER_FILES)
"""Given to a worker in full, so that relative paths mean the same there."""


def environment_of(settings: Settings, values: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that matter to a task, each as a hash of its value."""
    values = os.environ if values is None else values
    own = {name: value for name, value in values.items() if name.startswith("ORCH_")}
    variables = {name: values[name] for name in KEPT if values.get(name)}
    variables |= {name: value for name, value in own.items() if value and name not in APART}
    variables["ORCH_WEIGHTS_DIR"] = str(settings.weights_dir or "")
    variables["TORCH_HOME"] = str(weights.torch_cache().absolute())
    variables["the installation of orch"] = f"{sys.executable} {own_packages.HOME}"
    return {name: _short(value) for name, value in sorted(variables.items())}


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """What differs, by name; empty if nothing does. Of a worker of 0.1.0 nothing is known."""
    if not there:
        return "it was started by an older version of orch"
    names = sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
    return f"{', '.join(names)} changed" if names else ""


def _short(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()[:12]
