"""Checkpoints are written atomically, found again, verified, and pruned."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from jobs.errors import BadCheckpoint  # noqa: E402
from models.checkpoints.files import (  # noqa: E402
    CheckpointContents,
    listed,
    prune,
    read,
    restore,
    weights_digest,
    write,
)

TRIAL = "scratch-s0-00000000"


def put(folder: Path, epoch: int, step: int = 0, attempt: str = "1") -> Path:
    """A small checkpoint of that epoch and step."""
    state = {"weight": torch.full((3,), float(epoch))}
    rows = [{"epoch": number + 1, "val_loss": 0.5} for number in range(epoch)]
    return write(
        folder,
        CheckpointContents(TRIAL, epoch, step, {"step": step}, rows, state, {}, {"best": 0.5}),
        attempt,
    )


def found_epoch(folder: Path, max_epochs: int = 99) -> tuple[int, int] | None:
    """The epoch and step of the resume point."""
    found = restore(folder, TRIAL, max_epochs)
    return (found[0].epoch, found[0].step) if found else None


def test_what_is_put_down_is_found_again(tmp_path: Path) -> None:
    """Tensors, rows and numbers, from the newest one."""
    put(tmp_path, 1)
    path = put(tmp_path, 2)
    found = restore(tmp_path, TRIAL, 9)

    assert found is not None
    assert found[1] == path
    assert found[0].network["weight"].tolist() == [2.0, 2.0, 2.0]
    assert [row["epoch"] for row in found[0].rows] == [1, 2]


def test_the_newest_is_the_one_furthest_along(tmp_path: Path) -> None:
    """Ordered by epoch, then by step, whoever wrote it."""
    for epoch, step, attempt in ((1, 0, "1"), (1, 30, "2"), (1, 5, "3")):
        put(tmp_path, epoch, step, attempt)
    in_the_middle = found_epoch(tmp_path)
    put(tmp_path, 2, 0, "1")

    assert in_the_middle == (1, 30)
    assert found_epoch(tmp_path) == (2, 0)


def test_a_checkpoint_beyond_the_epoch_asked_for_is_not_used(tmp_path: Path) -> None:
    """An earlier target epoch is reached from a checkpoint before it, not after."""
    for epoch, step in ((2, 0), (3, 0), (3, 7), (5, 0)):
        put(tmp_path, epoch, step)

    assert [found_epoch(tmp_path, most) for most in (1, 2, 3, 4, 5)] == [
        None,
        (2, 0),
        (3, 0),
        (3, 7),
        (5, 0),
    ]


@pytest.mark.parametrize("harm", ["cut", "flip", "no-sidecar", "torn-sidecar", "empty"])
def test_a_torn_or_rotten_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happened to the newest file, training resumes from the one before."""
    put(tmp_path, 1)
    path = put(tmp_path, 2)
    contents = path.read_bytes()
    if harm == "cut":
        path.write_bytes(contents[: len(contents) // 2])
    elif harm == "flip":
        path.write_bytes(contents[:300] + bytes([contents[300] ^ 1]) + contents[301:])
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "no-sidecar":
        path.with_suffix(".json").unlink()
    else:
        path.with_suffix(".json").write_text('{"sha')

    assert found_epoch(tmp_path) == (1, 0)
    assert harm == "no-sidecar" or "is damaged" in caplog.text


def test_a_checkpoint_of_another_trial_is_refused(tmp_path: Path) -> None:
    """A file copied into the wrong folder does not become this trial."""
    path = put(tmp_path, 1)
    with pytest.raises(
        BadCheckpoint, match="belongs to the trial scratch-s0-00000000, not to other"
    ):
        read(path, "other")


def test_a_whole_file_with_foreign_contents_is_refused(tmp_path: Path) -> None:
    """Its checksum is right, but it is not a checkpoint."""
    path = put(tmp_path, 1)
    torch.save([1, 2], path)
    from jobs.atomic import file_digest

    path.with_suffix(".json").write_text(
        json.dumps({"sha256": file_digest(path), "bytes": path.stat().st_size})
    )
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        read(path, TRIAL)


@pytest.mark.parametrize("error", [ImportError("no numpy"), MemoryError(), OSError(5, "I/O error")])
def test_an_intact_checkpoint_is_not_blamed_for_a_broken_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The attempt fails with the reason itself, and no older checkpoint is used instead."""
    put(tmp_path, 1)
    path = put(tmp_path, 2)
    monkeypatch.setattr(torch, "load", lambda *_, **__: (_ for _ in ()).throw(error))
    for call in (lambda: read(path, TRIAL), lambda: restore(tmp_path, TRIAL, 9)):
        with pytest.raises(type(error)) as raised:
            call()

        assert raised.value is error
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BadCheckpoint, match="is damaged"):
        read(path, TRIAL)


def test_the_newest_two_and_the_marks_are_kept(tmp_path: Path) -> None:
    """Everything else goes, with its sidecar; a file named by a result stays."""
    paths = {
        moment: put(tmp_path, *moment)
        for moment in ((1, 0), (2, 0), (2, 9), (3, 0), (3, 5), (4, 0))
    }
    prune(tmp_path, {2}, {paths[1, 0]})
    kept = sorted((found.epoch, found.step) for found in listed(tmp_path))

    assert kept == [(1, 0), (2, 0), (3, 5), (4, 0)]
    assert len(list(tmp_path.iterdir())) == 8


def test_leavings_of_killed_attempts_are_removed_once_they_are_old(tmp_path: Path) -> None:
    """A draft and a checkpoint without a sidecar: recent ones may be in use, old ones are not."""
    put(tmp_path, 3)
    for name, age_s in (("old", 7200), ("new", 0)):
        for path in (tmp_path / f".e0002-{name}.pt.0.draft", tmp_path / f"e0002-{name}.pt"):
            path.write_bytes(b"x")
            os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    prune(tmp_path, set(), set())

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".e0002-new.pt.0.draft",
        "e0002-new.pt",
        "e0003-1.json",
        "e0003-1.pt",
    ]


def test_the_weights_digest_sees_names_types_shapes_and_bytes() -> None:
    """Neither the order of entries nor their memory layout matters."""
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}
    other = [
        {"a": state["a"], "c": state["b"]},
        {"a": state["a"].reshape(3, 2), "b": state["b"]},
        {"a": state["a"].double(), "b": state["b"]},
        {"a": state["a"] + 1e-7, "b": state["b"]},
    ]
    same = {"b": state["b"].clone(), "a": state["a"].t().contiguous().t()}

    assert weights_digest(same) == weights_digest(state)
    assert len({weights_digest(each) for each in [state, *other]}) == 5
