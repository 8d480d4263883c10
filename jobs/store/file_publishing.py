"""Publish each file once, and never replace a published file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from jobs import atomic, full_disk
from jobs.errors import LeaseLost

TIMES = {"seconds", "images_per_second"}


def publish_file(source: Path, target: Path, recorded: Callable[[], bool]) -> None:
    """Fsync `source` and hard-link it to `target`.

    Never overwrites a published file, because a stale lease holder can reach this point. Raises
    `LeaseLost` if `target` exists and `recorded()` is true. If it is false, the file comes from an
    attempt that died before recording its result. It is then replaced only if its contents differ.
    """
    with full_disk.storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic.sync(source)
        if not atomic.link_once(source, target):
            if recorded():
                raise LeaseLost(
                    f"{target}: another attempt has already published it. This attempt changes "
                    "nothing."
                )
            if not same_contents(source, target):
                os.replace(source, target)
        atomic.sync(target.parent)


def is_inside_store(place: str) -> bool:
    """Whether a path relative to the store stays inside it."""
    return not place.startswith("/") and ".." not in place.split("/") and "\0" not in place


def same_contents(one: Path, other: Path) -> bool:
    """Whether two files have equal bytes, or are valid Parquet files with equal rows.

    Rows are compared without the columns in `TIMES`.
    """
    if atomic.file_digest(one) == atomic.file_digest(other):
        return True
    if one.suffix != ".parquet":
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        mine, theirs = (pq.ParquetFile(path).read() for path in (one, other))
    except (pa.ArrowException, OSError):
        return False
    kept = [name for name in mine.column_names if name not in TIMES]
    same_columns: bool = mine.schema.equals(theirs.schema)
    return same_columns and bool(mine.select(kept).to_pylist() == theirs.select(kept).to_pylist())
