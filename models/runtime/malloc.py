"""Keep the memory that a step has freed for the next step.

Activations are large, and glibc returns every large block to the kernel at once. The kernel fills
each page with zeros again at every step. On two cores that took more than half of the time of a
small network.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = -1


def keep_freed_memory() -> bool:
    """Make this process keep the memory it frees; False where the C library is not glibc.

    Source: mallopt(3). No computed number changes. The process stays at its peak until it ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # musl has no mallopt; glibc returns 1 if it accepted the value.
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
