"""Which keys of a specification this orch knows, as a short text that workers tell."""

from __future__ import annotations

import functools
import hashlib


@functools.cache
def digest() -> str:
    """A digest of the names of the keys: two orchs with the same one read the same runs."""
    from jobs.spec.fields import KEYS

    return hashlib.sha256(" ".join(sorted(KEYS)).encode()).hexdigest()[:8]
