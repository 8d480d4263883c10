"""A checkpoint is written in the background, of the state at that moment; no write error is
lost.
"""

from __future__ import annotations

import gc
import hashlib
import io
import multiprocessing
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after  # noqa: E402

from jobs import atomic  # noqa: E402
from jobs.errors import LossNotFinite, OutOfMemory, Stopped, StorageFull  # noqa: E402
from jobs.task import Task, TaskRequest  # noqa: E402
from models.checkpoints import snapshot  # noqa: E402
from models.checkpoints.files import (  # noqa: E402
    PIECE_BYTES,
    CheckpointContents,
    Summing,
    listed,
    publish,
    read,
    restore,
    weights_digest,
)
from models.data.gpu_cache import Heard  # noqa: E402
from models.runtime.background import BackgroundThread  # noqa: E402
from models.training.state import TrainingState, begin_training  # noqa: E402
from models.training.train import train  # noqa: E402

RECIPE: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.05}
Publish = Callable[[Path, CheckpointContents, str], Path]


@pytest.fixture
def laboratory(animal_folder: Path, tmp_path: Path) -> Laboratory:
    """A store whose data set is prepared at 32 pixels: six steps an epoch."""
    made = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    made.prepare()
    return made


def publishing(with_: Publish) -> Callable[[TaskRequest, Heard], TrainingState]:
    """Resumes trainings whose checkpoints are published by another function."""

    def take_up(order: TaskRequest, heard: Heard) -> TrainingState:
        training = begin_training(order, heard)
        training.publish = with_
        return training

    return take_up


def run(
    laboratory: Laboratory,
    trial: str,
    epoch: int,
    with_: Publish,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train up to an epoch with such checkpoints."""
    order = laboratory.order(Task("train", trial, epoch))
    return train(order, laboratory.told.append, should_stop, publishing(with_))


def checkpoints(laboratory: Laboratory, trial: str) -> Path:
    """The folder of the trial's checkpoints."""
    return laboratory.store.trial_folder(trial) / "checkpoints"


def test_a_checkpoint_holds_the_moment_it_was_asked_for(laboratory: Laboratory) -> None:
    """Delayed until the next epoch is trained, it still holds the epoch before, bit for bit."""
    trial = laboratory.trial("scratch", [2], **RECIPE)
    told, kept = laboratory.told, dict[int, str]()

    def late(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        while contents.epoch == 1 and not any(
            each.get("epoch") == 2 and each["phase"] == "validate" for each in told
        ):
            time.sleep(0.01)
        path = publish(folder, contents, attempt)
        kept[contents.epoch] = weights_digest(read(path, trial).network)
        return path

    outcome = run(laboratory, trial, 2, late)
    for found in listed(checkpoints(laboratory, trial)):
        found.path.unlink()
    first = run(laboratory, trial, 1, publish)

    assert kept == {1: first["weights_digest"], 2: outcome["weights_digest"]}


def test_the_training_goes_on_while_a_checkpoint_is_written(laboratory: Laboratory) -> None:
    """The writing thread sees that steps of the next epoch were done."""
    trial, seen = laboratory.trial("scratch", [2], **RECIPE), threading.Event()

    def slow(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        until = time.monotonic() + 20
        while contents.epoch == 1 and not seen.is_set() and time.monotonic() < until:
            if any(each.get("epoch") == 2 for each in laboratory.told):
                seen.set()
        return publish(folder, contents, attempt)

    run(laboratory, trial, 2, slow)

    assert seen.is_set()


def test_an_outcome_and_a_stop_wait_for_their_checkpoint(laboratory: Laboratory) -> None:
    """However slow it is: the checkpoint that the result names, or that a stopped training resumes
    from, is written by then.
    """
    trial = laboratory.trial("scratch", [1], **RECIPE)

    def slow(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        time.sleep(0.5)
        return publish(folder, contents, attempt)

    with pytest.raises(Stopped):
        run(laboratory, trial, 1, slow, should_stop=stop_after(2))
    stopped = [(found.epoch, found.step) for found in listed(checkpoints(laboratory, trial))]
    outcome = run(laboratory, trial, 1, slow)

    assert stopped == [(0, 3)]
    assert read(laboratory.store.root / outcome["checkpoint"], trial).epoch == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StorageFull("cannot write it: no space."), StorageFull),
        (OSError(5, "Input/output error"), OSError),
        (RuntimeError("unexpected pos 64"), RuntimeError),
        (MemoryError("none left"), OutOfMemory),
    ],
)
@pytest.mark.parametrize("epochs", [1, 3])
def test_what_goes_wrong_in_writing_ends_the_training(
    laboratory: Laboratory, error: Exception, kind: type[Exception], epochs: int
) -> None:
    """At the end, or at the next checkpoint: the first one was not written, and no second is
    started. No batch is split.
    """
    trial, tried = laboratory.trial("scratch", [epochs], **RECIPE), list[int]()

    def fail(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
        tried.append(contents.epoch)
        raise error

    with pytest.raises(kind):
        run(laboratory, trial, epochs, fail)

    assert tried == [1]
    assert not (laboratory.store.trial_folder(trial) / "microbatches.json").exists()


def test_a_training_that_fails_leaves_the_checkpoint_it_had_begun(laboratory: Laboratory) -> None:
    """The next attempt resumes from there. The failure of the training is reported, not that of the
    checkpoint.
    """
    trial = laboratory.trial("scratch", [3], **RECIPE)

    def take_up(order: TaskRequest, heard: Heard) -> TrainingState:
        training = begin_training(order, heard)

        def poison(folder: Path, contents: CheckpointContents, attempt: str) -> Path:
            next(training.learner.network.parameters()).data.fill_(float("nan"))
            time.sleep(0.5)
            return publish(folder, contents, attempt)

        training.publish = poison
        return training

    with pytest.raises(LossNotFinite):
        train(
            laboratory.order(Task("train", trial, 3)),
            laboratory.told.append,
            lambda: False,
            take_up,
        )
    found = restore(checkpoints(laboratory, trial), trial, 3)

    assert found is not None
    assert found[0].epoch == 1
    assert all(value.isfinite().all() for value in found[0].network.values())


def test_one_is_written_at_a_time_and_the_next_waits() -> None:
    """In the order of the requests; `free` says whether one is running."""
    saver, gate, done = BackgroundThread(), threading.Event(), list[int]()

    def first() -> None:
        gate.wait(20)
        done.append(1)

    with saver:
        saver.begin(first)
        busy = not saver.free()
        threading.Timer(0.2, gate.set).start()
        saver.begin(lambda: done.append(2))
        waited = list(done)

    assert busy
    assert waited[:1] == [1]
    assert done == [1, 2]
    assert saver.free()


def test_what_was_written_is_not_kept_in_memory() -> None:
    """The copy is freed once it is written, not at the next checkpoint."""
    saver, copy = BackgroundThread(), torch.zeros(1000)
    gone = weakref.ref(copy)

    def work(kept: Any = copy) -> None:
        kept.sum()

    with saver:
        saver.begin(work)
        del work, copy
        saver.wait()
        gc.collect()

        assert gone() is None


def test_a_copy_is_one_and_keeps_what_it_is() -> None:
    """Separate tensors with shapes, types and memory order; everything else unchanged."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(
        memory_format=torch.channels_last
    )
    state = {"network": network.state_dict(), "rows": [{"epoch": 1, "at": (1, 2.5, None)}]}
    copied = snapshot.copy_state(state)
    before = {name: value.clone() for name, value in state["network"].items()}
    for value in network.state_dict().values():
        value.zero_()

    assert copied is not None
    assert copied["rows"] == state["rows"]
    assert copied["rows"] is not state["rows"]
    assert copied["network"]._metadata == state["network"]._metadata
    for name, value in before.items():
        assert torch.equal(copied["network"][name], value)
        assert copied["network"][name].stride() == value.stride()


def test_without_memory_for_a_copy_there_is_none() -> None:
    """Too little memory is free, or the allocation fails: the state is then written while the
    training waits.
    """

    class Refusing(dict[str, Any]):
        def update(self, *given: Any, **named: Any) -> None:
            raise MemoryError

    state = {"weight": torch.zeros(1000)}

    assert snapshot.copy_state(state, lambda: 7999) is None
    assert snapshot.copy_state(state, lambda: 8000) is not None
    assert snapshot.copy_state({"weight": torch.zeros(1000), "refuses": Refusing(a=1)}) is None


def test_spare_memory_is_within_the_limits_of_the_group(tmp_path: Path) -> None:
    """Of either version of control groups. Cached files count as free; a group without a limit does
    not count.
    """
    free = snapshot.spare_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 500\n")
    second = snapshot.spare_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    third = snapshot.spare_bytes(tmp_path)
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("900\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("300\n")
    (tmp_path / "memory" / "memory.stat").write_text("cache 5\n")

    assert second == 2500
    assert min(free, third) > 10**6
    assert snapshot.spare_bytes(tmp_path) == 600


def test_the_digest_summed_up_in_writing_is_that_of_the_file(tmp_path: Path) -> None:
    """Of pieces of every size, and of files that torch writes."""
    handle = io.BytesIO()
    summing = Summing(handle)
    for size in (0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7):
        assert summing.write(os.urandom(size)) == size
    path = publish(
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
        atomic.storage_errors(Path("x")),
        open("/dev/full", "wb") as handle,
    ):
        torch.save({"w": torch.rand(3_000_000)}, Summing(handle))


def write_and_die(folder: str) -> None:
    """Start a large checkpoint in the thread, and exit abruptly once some of it is on disk."""
    contents = CheckpointContents(
        "t", 2, 0, {}, [{"epoch": 1}, {"epoch": 2}], {"w": torch.rand(60_000_000)}, {}, {}
    )
    BackgroundThread().begin(lambda: print(publish(Path(folder), contents, "2")))
    while not any(path.stat().st_size > 10**6 for path in Path(folder).glob(".*.draft")):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_killed_in_writing_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """A draft, which is removed when it is old; training resumes from the checkpoint before."""
    publish(
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
