"""The places of images that a specification names, as absolute paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs import file_names
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.errors import BadSpec
from jobs.spec import value_errors

SHOWN = 80


def resolve(values: dict[str, Any], beside: Path) -> None:
    """Make the places of images absolute; raises `BadSpec` for an invalid name."""
    for key in ("data", "images"):
        given = values.get(key)
        if isinstance(given, str) and not (key == "data" and given in BUILT_IN_DATA):
            values[key] = _place(key, given, beside)


def _place(key: str, data: str, beside: Path) -> str:
    """An absolute path; raises `BadSpec` for an invalid name."""
    if not data.isascii() and (fault := file_names.fault(data)):
        raise BadSpec(f"{key}: {fault}")
    if not data.strip() or any(ord(each) < 32 or 0xD800 <= ord(each) <= 0xDFFF for each in data):
        raise BadSpec(
            f"{key}: {data[:SHOWN]!r} is not a folder name. Give "
            f"{value_errors.needs(key).rstrip(',')}."
        )
    try:
        return str((beside / Path(data).expanduser()).absolute())
    except RuntimeError:
        raise BadSpec(
            f"{key}: {data[:SHOWN]} names a user that does not exist on this machine."
        ) from None
