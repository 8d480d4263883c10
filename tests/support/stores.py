"""Stores to damage: a small finished run, and files that hold something else for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from support.fakes import fill_store


def fill_small_store(root: Path, periods: int = 1) -> tuple[Store, Run]:
    """A store with the run `study`: one backbone, two classes of six images, all of it done."""
    return fill_store(
        root,
        backbones=["scratch"],
        classes=("ape", "bear"),
        images_a_class=6,
        periods=periods,
        epochs_per_period=1,
        image_size=32,
        name="study",
    )


def fill_store_with_failure(root: Path) -> tuple[Store, Run]:
    """The same over two periods, whose last evaluation has failed."""
    store, run = fill_small_store(root, periods=2)
    last = Task.parse(run.tasks[-1])
    store.done_path(last).unlink()
    store.failed_path(last).parent.mkdir(parents=True, exist_ok=True)
    store.failed_path(last).write_text('{"failure": "bug", "message": "it broke", "attempt": 1}')
    return store, run


def table_path(store: Store, run: Run, name: str) -> Path:
    """A Parquet file of the run by the name of its table; `manifest` and `inventory` are taken
    too.
    """
    if name in ("manifest", "inventory"):
        return store.data_folder(run.data) / f"{name}.parquet"
    return next((store.root / tables.table_folder(name, run.trials[0])).glob("*.parquet"))


@contextlib.contextmanager
def replaced(path: Path, contents: bytes) -> Iterator[None]:
    """The file holds these bytes within the block, and its own again after it."""
    whole = path.read_bytes()
    path.write_bytes(contents)
    try:
        yield
    finally:
        path.write_bytes(whole)
