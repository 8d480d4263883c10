"""Memory that a step has freed is kept for the next one.

Activations are large, and glibc takes every large block from the kernel and gives it back at once. The kernel fills
each with zeros, page by page, at every step: on two cores that cost more than half of the time of a small network.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = -1


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, for itself; False where its C library is not glibc.

    Source: mallopt(3). No number that is computed changes. The process's memory stays at its peak until it ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # musl has no mallopt; glibc answers 1 where it took the value.
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
