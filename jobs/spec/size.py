"""Parse sizes of memory in the form users write them: `20GB`, `512MB`, `1.5GB`."""

from __future__ import annotations

from jobs.spec.quantity import LONGEST_DIGITS, UNITS_BYTES, number

__all__ = ["LONGEST_DIGITS", "to_bytes"]
UNITS = {unit: UNITS_BYTES[unit] for unit in ("MB", "GB", "MiB", "GiB")}


def to_bytes(text: str) -> int:
    """Convert a size to bytes; raises `ValueError` with a readable message if invalid."""
    return int(number(text, UNITS, "a size of memory; give one such as 20GB or 512MB"))
