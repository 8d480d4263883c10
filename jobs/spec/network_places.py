"""Where the files of networks lie: paths in a specification are relative to its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.errors import BadSpec
from jobs.spec.networks import SHOWN


def placed(entries: Any, beside: Path) -> Any:
    """The entries with files of networks and weights as absolute paths."""
    if isinstance(entries, Mapping):
        entries = [entries]
    if isinstance(entries, str):
        return ",".join(_placed_reference(name, beside) for name in entries.split(","))
    if not isinstance(entries, (list, tuple)):
        return entries
    return [_placed_entry(entry, beside) for entry in entries]


def _placed_entry(entry: Any, beside: Path) -> Any:
    if isinstance(entry, str):
        return placed(entry, beside)
    if not isinstance(entry, Mapping):
        return entry
    tidy = {str(key).replace("-", "_"): value for key, value in entry.items()}
    if isinstance(tidy.get("name"), str):
        tidy["name"] = _placed_reference(tidy["name"], beside)
    if isinstance(tidy.get("weights"), str):
        tidy["weights"] = _absolute(tidy["weights"], beside)
    return tidy


def _placed_reference(name: str, beside: Path) -> str:
    path, colon, function = name.strip().rpartition(":")
    return f"{_absolute(path, beside)}{colon}{function}" if path.endswith(".py") else name


def _absolute(path: str, beside: Path) -> str:
    try:
        return str((beside / Path(path).expanduser()).absolute())
    except RuntimeError:
        raise BadSpec(f"backbones: {path[:SHOWN]} names a user that does not exist here.") from None
