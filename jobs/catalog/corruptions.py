"""The ways in which test images can be made harder: what each is called, and how severe it can be."""

from __future__ import annotations

import difflib
from typing import Any

CORRUPTIONS = ("blur", "noise", "rotation", "jpeg", "brightness", "contrast", "occlusion")
SEVERITIES = (1, 2, 3, 4, 5)


def level_name(corruption: str, severity: int) -> str:
    """The word for it in a task's id, such as `blur-3`."""
    return f"{corruption}-{severity}"


def parse_level(word: str) -> tuple[str, int]:
    """The corruption and severity of such a word; raises `ValueError` for any other."""
    name, _, severity = word.partition("-")
    if name not in CORRUPTIONS or severity not in map(str, SEVERITIES):
        raise ValueError(f"{word!r} is no corruption with a severity, such as 'blur-3'")
    return name, int(severity)


def parse_choice(value: Any) -> tuple[str, ...]:
    """Corruptions from `all`, `none`, a list, or words with commas, each once and in the usual order.

    Raises `ValueError` with the likeliest meaning of an unknown one.
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
                f"no corruption is called {str(word)[:80]!r}.{hint} There are: {', '.join(CORRUPTIONS)}"
            )
    return tuple(name for name in CORRUPTIONS if name in words)
