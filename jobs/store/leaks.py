"""Test images that leak into training: what was found in a data set, kept beside it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from jobs import atomic
from jobs.errors import OrchError
from jobs.store import codec
from jobs.store.records import Record

if TYPE_CHECKING:
    from jobs.store.store import Store


class Suspect(msgspec.Struct, frozen=True):
    """A test image and its `twin` among the images of another split, and why it is suspected.

    Of near duplicates, `bits` of the hashes and mean grey `levels` of the thumbnails differ.
    """

    image: str
    label: str
    twin: str
    twin_label: str
    split: str
    kind: str
    bits: int | None = None
    levels: float | None = None


class LeakRecord(Record, frozen=True, kw_only=True):
    """The suspects among the test images of a data set (`data/<data>/leaks.json`).

    `method` says how near duplicates were looked for.
    """

    method: str
    suspects: tuple[Suspect, ...]


def kept(store: Store, data: str, method: str) -> LeakRecord | None:
    """What was found by this method; None where it has to be looked for."""
    with contextlib.suppress(OrchError, OSError):  # it is found again
        record = codec.read(store.leaks_path(data), LeakRecord)
        if record is not None and record.method == method:
            return record
    return None


def keep(store: Store, data: str, record: LeakRecord) -> None:
    """Keep what was found, where the store can be written."""
    path = store.leaks_path(data)
    with contextlib.suppress(OrchError, OSError):  # without it, it is found again
        codec.refuse_newer(LeakRecord, path)
        atomic.write_json(path, codec.encode(record))
