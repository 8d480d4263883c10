"""What has been tested on CPUs with stand-ins, and not yet run on a GPU: one switch for each.

After `benchmarks/gpu.py` has run one of them on a GPU, its entry and its switch can go.
docs/performance.md shows the same list.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from jobs.errors import BadEnvironment


@dataclass(frozen=True, slots=True)
class Untried:
    """One feature, the variable that switches it, whether it is on without it, and what it does."""

    variable: str
    default: bool
    help: str


UNTRIED = {
    "cuda_graphs": Untried(
        "ORCH_CUDA_GRAPHS",
        False,
        "training steps are replayed as CUDA graphs, where that gives the same bits",
    ),
    "gpu_cache": Untried(
        "ORCH_GPU_CACHE",
        True,
        "images of a training are cached on the GPU, if they fit; `0` streams them",
    ),
    "device_transfer": Untried(
        "ORCH_DEVICE_TRANSFER",
        True,
        "arrays are copied from pinned memory while the GPU works; `0` waits for each copy",
    ),
    "rollback": Untried(
        "ORCH_ROLLBACK",
        True,
        "a step that ran out of memory beside cached images is done again without them; `0` ends "
        "the attempt, as without a cache",
    ),
}


def enabled(name: str) -> bool:
    """Whether a feature is on; raises `BadEnvironment` for a value other than 0 or 1."""
    feature = UNTRIED[name]
    value = os.environ.get(feature.variable, "")
    if value not in ("", "0", "1"):
        raise BadEnvironment(f"{feature.variable} is {value[:40]!r}. It takes 0 or 1.")
    return value == "1" if value else feature.default
