"""How the number of workers slows what each of them does on the store."""

from __future__ import annotations

UNHURRIED = 200
"""Workers up to which each works at full pace."""
MAX_SLOWDOWN = 2.5
"""At most: a worker counts as alive for 15 s, three times its slowest heartbeat."""


def slowdown(workers: int) -> float:
    """The factor on intervals between looks and reports in a fleet of so many workers."""
    return min(MAX_SLOWDOWN, max(1.0, workers / UNHURRIED))
