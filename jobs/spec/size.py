"""Parse sizes of memory in the form users write them: `20GB`, `512MB`, `1.5GB`."""

from __future__ import annotations

import re

UNITS_BYTES = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}
LONGEST_DIGITS = 6


def to_bytes(text: str) -> int:
    """Convert a size to bytes; raises `ValueError` with a readable message if invalid."""
    match = re.fullmatch(
        rf"(\d{{1,{LONGEST_DIGITS}}}(?:\.\d{{1,{LONGEST_DIGITS}}})?)\s*([MG]i?B)",
        text.strip(),
        re.A | re.I,
    )
    if match is None or float(match[1]) == 0:
        shown = text if len(text) <= 80 else text[:80] + "..."
        raise ValueError(f"{shown!r} is not a size of memory; give one such as 20GB or 512MB.")
    return int(float(match[1]) * UNITS_BYTES[match[2].upper()])
