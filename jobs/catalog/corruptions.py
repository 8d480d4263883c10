"""Names and severities of the image corruptions that an evaluation can apply."""

from __future__ import annotations

import difflib
from typing import Any

CORRUPTIONS = ("blur", "noise", "rotation", "jpeg", "brightness", "contrast", "occlusion")
SEVERITIES = (1, 2, 3, 4, 5)


def level_name(corruption: str, severity: int) -> str:
    """The corruption level as written in a task id, such as `blur-3`."""
    return f"{corruption}-{severity}"


def parse_level(word: str) -> tuple[str, int]:
    """Split a level such as `blur-3` into corruption and severity; raises `ValueError`."""
    name, _, severity = word.partition("-")
    if name not in CORRUPTIONS or severity not in map(str, SEVERITIES):
        raise ValueError(f"{word!r} is not a corruption with a severity, such as 'blur-3'")
    return name, int(severity)


def parse_choice(value: Any) -> tuple[str, ...]:
    """Parse a choice of corruptions: `all`, `none`, a list, or comma-separated names.

    Returns each corruption once, in catalog order. Raises `ValueError` for an unknown name,
    suggesting the closest match.
    """
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)):
        raise ValueError("a list of corruptions, or 'all', is needed")
    if list(words) in (["all"], ["none"]):
        return CORRUPTIONS if words[0] == "all" else ()
    for word in words:
        if word not in CORRUPTIONS:
            near = difflib.get_close_matches(str(word)[:80], CORRUPTIONS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise ValueError(
                f"unknown corruption {str(word)[:80]!r}.{hint} Known corruptions: "
                f"{', '.join(CORRUPTIONS)}"
            )
    return tuple(name for name in CORRUPTIONS if name in words)
