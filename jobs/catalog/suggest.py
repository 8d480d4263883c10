"""Suggestions for unknown names: the closest entry of a registry."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 80


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """A message for a name that no entry has: the closest one, and all there are."""
    import difflib

    known, given = list(known), str(name)[:SHOWN]
    near = difflib.get_close_matches(given.lower().replace("_", "-"), known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{given}'.{hint} Known {kind}s: {', '.join(known)}"
