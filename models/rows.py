"""A trial's rows of epochs, each published in one file only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs import files, results

Row = dict[str, Any]


def write_unpublished(rows: Sequence[Row], trial: str, store: Path, work_folder: Path) -> dict[str, str]:
    """Write the epochs no published file holds, a file for each unbroken stretch.

    Returns names in the work folder and the places in the store they are meant for.
    """
    place = results.folder("epochs", trial)
    published = covered(files.names(store / place))
    written = {}
    for stretch in stretches([row for row in rows if row["epoch"] not in published]):
        name = f"epochs-{stretch[0]['epoch']:04d}-{stretch[-1]['epoch']:04d}.parquet"
        results.write(work_folder / name, results.table_of("epochs", stretch))
        written[name] = f"{place}/{name}"
    return written


def stretches(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows parted where an epoch is left out."""
    parts: list[list[Row]] = []
    for row in rows:
        if not parts or parts[-1][-1]["epoch"] + 1 != row["epoch"]:
            parts.append([])
        parts[-1].append(row)
    return parts


def covered(names: Sequence[str]) -> set[int]:
    """The epochs that files such as `epochs-0001-0010.parquet` hold."""
    epochs: set[int] = set()
    for name in names:
        table, *bounds = name.removesuffix(".parquet").split("-")
        if table == "epochs" and len(bounds) == 2:
            epochs |= set(range(int(bounds[0]), int(bounds[1]) + 1))
    return epochs
