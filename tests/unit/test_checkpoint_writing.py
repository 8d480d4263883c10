"""A checkpoint's digest is computed while it is written; a killed writer leaves nothing that looks
whole.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from jobs import atomic, full_disk  # noqa: E402
from jobs.errors import StorageFull  # noqa: E402
from models.checkpoints.files import (  # noqa: E402
    PIECE_BYTES,
    CheckpointContents,
    Summing,
    restore,
    write,
)
from models.runtime.background import BackgroundThread  # noqa: E402


def test_the_digest_summed_up_in_writing_is_that_of_the_file(tmp_path: Path) -> None:
    """Of pieces of every size, and of files that torch writes."""
    handle = io.BytesIO()
    summing = Summing(handle)
    for size in (0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7):
        assert summing.write(os.urandom(size)) == size
    path = write(
        tmp_path, CheckpointContents("t", 0, 0, {}, [], {"w": torch.rand(3_000_000)}, {}, {}), "1"
    )
    told = atomic.read_json(path.with_suffix(".json")) or {}

    assert summing.digest.digest() == hashlib.sha256(handle.getvalue()).digest()
    assert told["sha256"] == atomic.file_digest(path)
    assert told["bytes"] == path.stat().st_size


def test_a_full_disk_is_still_named_as_such() -> None:
    """The original error is not hidden by torch's own error from its writer."""
    with (
        pytest.raises(StorageFull),
        full_disk.storage_errors(Path("x")),
        open("/dev/full", "wb") as handle,
    ):
        torch.save({"w": torch.rand(3_000_000)}, Summing(handle))


def write_and_die(folder: str) -> None:
    """Start a large checkpoint in the thread, and exit abruptly once some of it is on disk."""
    contents = CheckpointContents(
        "t", 2, 0, {}, [{"epoch": 1}, {"epoch": 2}], {"w": torch.rand(60_000_000)}, {}, {}
    )
    BackgroundThread().begin(lambda: print(write(Path(folder), contents, "2")))
    while not any(path.stat().st_size > 10**6 for path in Path(folder).glob(".*.draft")):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_killed_in_writing_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """A draft, which is removed when it is old; training resumes from the checkpoint before."""
    write(
        tmp_path,
        CheckpointContents("t", 1, 0, {}, [{"epoch": 1}], {"w": torch.ones(3)}, {}, {}),
        "1",
    )
    child = multiprocessing.get_context("spawn").Process(
        target=write_and_die, args=(str(tmp_path),)
    )
    child.start()
    child.join(60)
    found = restore(tmp_path, "t", 9)

    assert child.exitcode == -signal.SIGKILL
    assert found is not None
    assert found[0].epoch == 1
    assert [path.name for path in tmp_path.glob("*.json")] == ["e0001-1.json"]
