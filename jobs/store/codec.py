"""Read and write the JSON records of the store: decoded, checked and versioned here alone.

Every record holds the version of its format; a record without one has version 1.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jobs import atomic
from jobs.errors import DamagedFile, NewerRecord, UnknownEntry
from jobs.store.records import Record

R = TypeVar("R", bound=Record)

FORMAT_KEY = "format"
LACKS = re.compile(r"missing required field `(.*?)`")
PLACE = re.compile(r" - at `\$\.(\w+)(.*)`")
AN_ITEM = re.compile(r"\[(\d+)\]")


def read(path: Path, kind: type[R]) -> R | None:
    """The record in a file, or None if there is no such file.

    Raises `DamagedFile`, naming file and key, `NewerRecord` and `AccessDenied`.
    """
    contents = atomic.read_bytes(path)
    if contents is None:
        return None
    if kind.NULLS or b"null" not in contents:
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            record = msgspec.json.decode(contents, type=kind)
            if 1 <= record.format <= kind.FORMAT:
                return record
    # Slower, but it knows what is wrong, and it reads NaN.
    return decode(path, _values(path, contents, kind.FORMAT), kind)


def read_values(path: Path, known: int = 1) -> dict[str, Any] | None:
    """The values of a record, unchecked but for its version; None if there is no such file.

    Raises the same errors as `read`. `known` is the newest format that the caller can read.
    """
    contents = atomic.read_bytes(path)
    return None if contents is None else _values(path, contents, known)


def _values(path: Path, contents: bytes, known: int) -> dict[str, Any]:
    values = atomic.parse_json(path, contents)
    if not isinstance(values, dict):
        raise damaged_file(path, "it contains no keys and values")
    version = values.get(FORMAT_KEY, 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise damaged_file(path, f"'{FORMAT_KEY}' is {str(version)[:60]!r}")
    if version > known:
        raise NewerRecord(
            f"{path} has format {version}, and this orch reads up to format {known}. It is left as "
            "it is. Upgrade orch on this machine."
        )
    return values


def refuse_newer(kind: type[Record], *paths: Path) -> None:
    """Raise `NewerRecord` if one of these files holds a newer record; others may be damaged."""
    for path in paths:
        with contextlib.suppress(DamagedFile):
            read_values(path, kind.FORMAT)


def newer(kind: type[Record], paths: Iterable[Path]) -> tuple[str, ...]:
    """What to say of each newer record among these files."""
    said = []
    for path in paths:
        try:
            refuse_newer(kind, path)
        except NewerRecord as error:
            said.append(str(error))
        except OSError:
            continue
    return tuple(said)


def decode(path: Path, values: Mapping[str, Any], kind: type[R]) -> R:
    """The record of these values; raises `DamagedFile`, naming file and key."""
    if not kind.NULLS:
        for key in kind.__struct_fields__:
            if values.get(key, ...) is None:
                raise damaged_file(path, f"'{key}' is 'None'")
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise damaged_file(path, _in_words(str(error), values)) from None


def encode(record: Record) -> dict[str, Any]:
    """The values of a record as they are written, in the newest format."""
    return {**msgspec.to_builtins(record), FORMAT_KEY: record.FORMAT}


def _in_words(message: str, values: Mapping[str, Any]) -> str:
    """The first problem: `it lacks 'data'`, `'seed' is 'x'` or `'tasks' holds '1'`."""
    place, lacks = PLACE.search(message), LACKS.search(message)
    if place is None:
        return f"it lacks '{lacks[1]}'" if lacks else message
    key, inner = place[1], AN_ITEM.match(place[2])
    if inner is None:
        return f"'{key}' is {str(values[key])[:60]!r}"
    item = str(values[key][int(inner[1])])[:60]
    return f"it describes a file as {item!r}" if key == "files" else f"'{key}' holds {item!r}"


def damaged_file(
    path: Path,
    reason: str,
    remedy: str = "Restore it from a copy, or remove it and submit the run again.",
) -> DamagedFile:
    """The error for a file of the store with invalid contents."""
    return DamagedFile(f"{path} is damaged: {reason.rstrip('.')}. {remedy}")


def unknown_entry(path: Path, who: str, told: str, newer: str = "") -> UnknownEntry:
    """The error for a run or a trial that names what no registry of this orch has.

    `newer` says what else tells of a newer orch.
    """
    why = f"{newer}, and " if newer else ""
    return UnknownEntry(f"{who} {told}. {path} {why}is left as it is.")
