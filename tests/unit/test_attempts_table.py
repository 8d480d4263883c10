"""The table of attempts opens in pandas: no null among the names of its partitions."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.fakes import fill_store

from jobs.errors import WorkerLost
from jobs.store import tables
from jobs.store.store import Store
from jobs.store.tables import NULL_PARTITION, table_folder
from jobs.task import Task
from workers.execution import attempts

WHO = {"worker": "a", "host": "h", "device": "cpu", "run": "first"}


def end_one(store: Store, task: Task) -> None:
    """An attempt that fails."""
    attempts.begin(attempts.read_history(store, task), WHO).finish(
        "failed", WorkerLost("the child died.")
    )


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Store, Task, Task]:
    """A store with an attempt at its data set, and one at a trial."""
    store, run = fill_store(tmp_path, backbones=["scratch"], finished=lambda task: False)
    prepare, train = map(Task.parse, run.tasks[:2])
    end_one(store, prepare)
    end_one(store, train)
    return store, prepare, train


def test_pandas_reads_the_whole_folder(filled: tuple[Store, Task, Task]) -> None:
    """`pandas.read_parquet` calls what is called here."""
    store, _, train = filled

    table = pq.read_table(store.root / "results" / "attempts")

    assert set(table["trial"].to_pylist()) == {"none", train.subject}


def test_the_null_partition_of_0_1_0_is_read_and_left(filled: tuple[Store, Task, Task]) -> None:
    """Its rows are there before and after the next attempt moves them."""
    store, prepare, train = filled
    old, new = (
        store.root / table_folder("attempts", name) for name in (NULL_PARTITION, tables.DATA_SETS)
    )
    os.rename(new, old)

    before = tables.read_rows(store.root, "attempts", [tables.DATA_SETS, train.subject])
    end_one(store, prepare)
    after = tables.read_rows(store.root, "attempts", [tables.DATA_SETS, train.subject])

    assert (before.num_rows, after.num_rows) == (2, 3)
    assert not old.exists()
    assert pq.read_table(store.root / "results" / "attempts").num_rows == 3
