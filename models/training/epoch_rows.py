"""Rows of a trial's epochs, each published in exactly one file."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.store import tables

Row = dict[str, Any]


def write_unpublished(
    rows: Sequence[Row], trial: str, store: Path, work_folder: Path, recorded: Set[str]
) -> dict[str, str]:
    """Write the epochs that no published file holds, one file per contiguous range.

    `recorded` are the paths of files that done tasks name. Any other file is a leftover of an
    attempt that died before recording it: it is published again, or removed where it overlaps.
    Returns names in the work folder and their places in the store.
    """
    place = tables.table_folder("epochs", trial)
    there = set(atomic.list_names(store / place))
    known = {name for name in there if f"{place}/{name}" in recorded}
    published = covered(sorted(known))
    written = {}
    for stretch in ranges([row for row in rows if row["epoch"] not in published]):
        name = f"epochs-{stretch[0]['epoch']:04d}-{stretch[-1]['epoch']:04d}.parquet"
        tables.write_table(work_folder / name, tables.build_table("epochs", stretch))
        written[name] = f"{place}/{name}"
    now_held = published | covered(sorted(written))
    for name in there - known - written.keys():
        if covered([name]) & now_held:
            (store / place / name).unlink(missing_ok=True)
    return written


def ranges(rows: Sequence[Row]) -> list[list[Row]]:
    """Split rows at missing epochs."""
    parts: list[list[Row]] = []
    for row in rows:
        if not parts or parts[-1][-1]["epoch"] + 1 != row["epoch"]:
            parts.append([])
        parts[-1].append(row)
    return parts


def covered(names: Sequence[str]) -> set[int]:
    """Epochs in files such as `epochs-0001-0010.parquet`."""
    epochs: set[int] = set()
    for name in names:
        table, *bounds = name.removesuffix(".parquet").split("-")
        if table == "epochs" and len(bounds) == 2:
            epochs |= set(range(int(bounds[0]), int(bounds[1]) + 1))
    return epochs
