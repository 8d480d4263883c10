"""Checksum of the keys that this version knows; workers put it into their heartbeat."""

from __future__ import annotations

import functools
import zlib


@functools.cache
def digest() -> str:
    """A checksum of the names of the keys: two orchs with the same one read the same runs.

    By zlib, because commands that start at once compute it and hashlib takes 4 ms to import.
    """
    from jobs.spec.keys import KEYS

    return f"{zlib.crc32(' '.join(sorted(KEYS)).encode()):08x}"
