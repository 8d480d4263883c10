"""Files are published once, even if a late attempt tries again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from jobs import atomic, full_disk
from jobs.errors import LeaseLost, StorageFull
from jobs.maintenance import verify
from jobs.store import file_publishing, tables
from jobs.store.store import Store
from jobs.task import Task

TASK = Task("evaluate", "scratch-s0-12345678", 3)
PLACE = "results/evaluations/trial=scratch-s0-12345678/e0003.parquet"


def attempt(folder: Path, seconds: float, loss: float = 1.5) -> Path:
    """A work folder with the rows of an evaluation with this duration."""
    row = {
        "backbone": "scratch",
        "seed": 0,
        "period": 1,
        "epoch": 3,
        "loss": loss,
        "seconds": seconds,
    }
    tables.write_table(folder / "e.parquet", tables.build_table("evaluations", [row]))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store").open(create=True)


def whole(store: Store) -> bool:
    """Whether the file matches the done record."""
    result = store.done(TASK)
    (file,) = (result and result.files) or ()
    return atomic.file_digest(store.root / PLACE) == file.sha256


def test_one_who_comes_late_replaces_nothing(store: Store, tmp_path: Path) -> None:
    """Paused between the check of the lease and the rename, it continues after another attempt has
    published.
    """
    late, quick = attempt(tmp_path / "a", 1.0), attempt(tmp_path / "b", 2.0)

    def holds() -> bool:
        store.publish_result(TASK, {"files": {"e.parquet": PLACE}}, quick, lambda: True)
        return True

    with pytest.raises(LeaseLost, match="another attempt has already published"):
        store.publish_result(TASK, {"files": {"e.parquet": PLACE}}, late, holds)

    assert whole(store)
    assert tables.read_files([store.root / PLACE])[0]["seconds"] == 2.0


def test_what_a_dead_attempt_left_is_kept_when_it_says_the_same(
    store: Store, tmp_path: Path
) -> None:
    """It died between file and record: the next attempt records the existing file."""
    dead, next_one = attempt(tmp_path / "a", 1.0), attempt(tmp_path / "b", 2.0)
    file_publishing.publish_file(dead / "e.parquet", store.root / PLACE, lambda: False)
    store.publish_result(TASK, {"files": {"e.parquet": PLACE}}, next_one, lambda: True)

    assert whole(store)
    assert tables.read_files([store.root / PLACE])[0]["seconds"] == 1.0


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"x" * 3000])
def test_what_a_dead_attempt_left_broken_is_replaced(
    store: Store, tmp_path: Path, damage: bytes
) -> None:
    """Invalid content at the target is not accepted."""
    (store.root / PLACE).parent.mkdir(parents=True)
    (store.root / PLACE).write_bytes(damage)
    store.publish_result(
        TASK, {"files": {"e.parquet": PLACE}}, attempt(tmp_path / "b", 2.0), lambda: True
    )

    assert whole(store)
    assert tables.read_files([store.root / PLACE])[0]["seconds"] == 2.0


def test_other_numbers_are_not_the_same(tmp_path: Path) -> None:
    """Only times may differ."""
    one, other = (
        attempt(tmp_path / name, 1.0, loss) / "e.parquet" for name, loss in (("a", 1.5), ("b", 1.6))
    )

    assert file_publishing.same_contents(one, one)
    assert not file_publishing.same_contents(one, other)


def test_a_training_taken_back_is_to_be_done_again(store: Store) -> None:
    """Record, checkpoint and checksum are removed; so is a truncated record."""
    trained = Task("train", TASK.subject, 3)
    path = store.trial_folder(TASK.subject) / "checkpoints" / "e0003-t000001.pt"
    atomic.write_json(path.with_suffix(".json"), {})
    path.write_bytes(b"rotten")
    place = path.relative_to(store.root).as_posix()
    atomic.write_json(store.done_path(trained), {"checkpoint": place, "files": []})
    verify.redo_training(store, trained)
    gone = atomic.list_names(path.parent)
    store.done_path(trained).write_text('{"checkp')
    verify.redo_training(store, trained)

    assert gone == []
    assert not store.is_done(trained)


def test_a_full_disk_is_named_even_when_the_writer_hides_it(tmp_path: Path) -> None:
    """torch turns "no space" into its own error; the cause is found."""
    hidden = RuntimeError("unexpected pos 640 vs 598")
    hidden.__context__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.raises(StorageFull, match="No space left"),
        full_disk.storage_errors(tmp_path / "x"),
    ):
        raise hidden


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    """Only a full or read-only store is renamed."""
    with pytest.raises(ValueError, match="mine"), full_disk.storage_errors(tmp_path / "x"):
        raise ValueError("mine")
