"""The setting of a value range, as written in a specification: `auto`, `full` or `LOW,HIGH`."""

from __future__ import annotations

import math
from typing import Any

AUTO, FULL = "auto", "full"
NEEDED = "auto, full, or LOW,HIGH with LOW below HIGH is needed, such as 0,4095"


def parse(value: Any) -> str:
    """The setting in its one spelling: `auto`, `full` or `0,4095`; raises `ValueError`."""
    if isinstance(value, str) and value.strip().lower() in (AUTO, FULL):
        return value.strip().lower()
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise ValueError(NEEDED)
    try:
        low, high = (_number(part) for part in parts)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(NEEDED) from None
    if not low < high:
        raise ValueError(NEEDED)
    return f"{low:.17g},{high:.17g}"


def _number(part: Any) -> float:
    number = float(part)
    if isinstance(part, bool) or not math.isfinite(number):
        raise ValueError(NEEDED)
    return number
