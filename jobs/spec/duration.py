"""Parse durations in the form users write them: `90`, `30s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import re

UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_DIGITS = 9


def seconds(text: str) -> float:
    """Convert a duration to seconds; raises `ValueError` with a readable message if invalid."""
    match = re.fullmatch(
        rf"(\d{{1,{LONGEST_DIGITS}}}(?:\.\d{{1,{LONGEST_DIGITS}}})?)\s*([smhd]?)",
        text.strip(),
        re.A,
    )
    if match is None:
        shown = text if len(text) <= 80 else text[:80] + "..."
        raise ValueError(f"{shown!r} is not a duration; give one such as 30s, 10m or 2h.")
    return float(match[1]) * UNITS_S[match[2]]
