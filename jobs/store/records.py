"""Read JSON records of the store and check their keys and types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.errors import DamagedFile

FieldTypes = Mapping[str, type | tuple[type, ...]]

NUMBER = (int, float)
RESULT_FIELDS: FieldTypes = {
    "files": list,
    "epoch": int,
    "checkpoint": str,
    "weights_digest": str,
    "precision": str,
    "threads": int,
    "seconds": NUMBER,
    "device": str,
    "loss": NUMBER,
    "correct": int,
    "total": int,
    "accuracy": NUMBER,
    "images": int,
    "skipped": list,
    "classes": dict,
    "low_contrast": list,
    "value_range": dict,
    "peak_memory_bytes": int,
    "peak_reserved_bytes": int,
    "energy_joules": NUMBER,
    "measured_from": NUMBER,
}
FAILURE_FIELDS: FieldTypes = {"failure": str, "message": str, "attempt": int, "log": str}


def read(
    path: Path, needed: FieldTypes | None = None, known: FieldTypes | None = None
) -> dict[str, Any] | None:
    """The object in a JSON file, or None if there is no such file.

    Raises `DamagedFile`, naming file and key, if a key of `needed` is missing, or a key of `needed`
    or `known` has the wrong type. Booleans are not numbers.
    """
    found = atomic.read_json(path)
    if found is None and not path.exists():
        return None
    if not isinstance(found, dict):
        raise damaged_file(path, "it contains no keys and values")
    for key, kind in {**(known or {}), **(needed or {})}.items():
        if key not in found:
            if needed and key in needed:
                raise damaged_file(path, f"it lacks '{key}'")
        elif not isinstance(found[key], kind) or (
            isinstance(found[key], bool) and kind in (int, NUMBER)
        ):
            raise damaged_file(path, f"'{key}' is {str(found[key])[:60]!r}")
    return found


def read_result(path: Path) -> dict[str, Any] | None:
    """A task result, or None; raises `DamagedFile`, also if it names a path outside the store."""
    found = read(path, known=RESULT_FIELDS)
    if found is None:
        return None
    for entry in found.get("files", []):
        whole = (
            isinstance(entry, dict)
            and isinstance(entry.get("path"), str)
            and isinstance(entry.get("sha256"), str)
        )
        if not whole or type(entry.get("bytes")) is not int:
            raise damaged_file(path, f"it describes a file as {str(entry)[:60]!r}")
    for place in [
        *(entry["path"] for entry in found.get("files", [])),
        found.get("checkpoint", ""),
    ]:
        if not is_inside_store(place):
            raise damaged_file(path, f"it names {place[:60]!r}, which is outside the store")
    return found


def is_inside_store(place: str) -> bool:
    """Whether a path relative to the store stays inside it."""
    return not place.startswith("/") and ".." not in place.split("/") and "\0" not in place


def damaged_file(
    path: Path,
    reason: str,
    remedy: str = "Restore it from a copy, or remove it and submit the run again.",
) -> DamagedFile:
    """The error for a file of the store with invalid contents."""
    return DamagedFile(f"{path} is damaged: {reason.rstrip('.')}. {remedy}")
