"""Rows of epochs are published once each."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from jobs import atomic
from jobs.store import tables
from models.training.epoch_rows import covered, ranges, write_unpublished


def row(epoch: int) -> dict[str, object]:
    """A row of that epoch."""
    return {"backbone": "scratch", "seed": 0, "period": 1, "epoch": epoch, "train_loss": 1.0}


def test_published_epochs_are_read_off_the_names_of_files() -> None:
    """Any other file in the folder is not taken for rows."""
    assert covered(["epochs-0001-0003.parquet", "epochs-0007-0007.parquet", "notes.txt"]) == {
        1,
        2,
        3,
        7,
    }


def test_rows_are_parted_where_an_epoch_is_left_out() -> None:
    """A file's name covers consecutive epochs."""
    parts = ranges([row(epoch) for epoch in (1, 2, 5, 6, 9)])

    assert [[each["epoch"] for each in part] for part in parts] == [[1, 2], [5, 6], [9]]


def test_only_epochs_that_no_file_holds_are_written(tmp_path: Path) -> None:
    """Two files around a published range; each is meant for the trial's folder."""
    place = tables.table_folder("epochs", "t")
    (tmp_path / "store" / place).mkdir(parents=True)
    (tmp_path / "store" / place / "epochs-0002-0003.parquet").touch()
    recorded = {f"{place}/epochs-0002-0003.parquet"}
    written = write_unpublished(
        [row(epoch) for epoch in range(1, 6)], "t", tmp_path / "store", tmp_path / "work", recorded
    )
    epochs = {
        name: pq.read_table(tmp_path / "work" / name)["epoch"].to_pylist() for name in written
    }

    assert epochs == {"epochs-0001-0001.parquet": [1], "epochs-0004-0005.parquet": [4, 5]}
    assert set(written.values()) == {f"{place}/{name}" for name in written}
    assert atomic.list_names(tmp_path / "work") == sorted(written)


def test_what_a_dead_attempt_left_is_published_anew_and_never_doubled(tmp_path: Path) -> None:
    """A file that no done task names does not count as published; one that would duplicate rows is
    removed.
    """
    place = tmp_path / "store" / tables.table_folder("epochs", "t")
    place.mkdir(parents=True)
    for name in (
        "epochs-0001-0002.parquet",
        "epochs-0001-0003.parquet",
        "epochs-0007-0009.parquet",
    ):
        (place / name).touch()
    written = write_unpublished([row(1), row(2)], "t", tmp_path / "store", tmp_path / "work", set())

    assert list(written) == ["epochs-0001-0002.parquet"]
    assert atomic.list_names(place) == ["epochs-0001-0002.parquet", "epochs-0007-0009.parquet"]
