"""Images cached on the device: the same batches and results, and the cache is freed when memory
runs out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from support.toy_training import CPU, learner, nothing, some_data  # noqa: E402

from jobs.errors import Stopped  # noqa: E402
from models.checkpoints.files import weights_digest  # noqa: E402
from models.data.batches import Data, batches, cut  # noqa: E402
from models.data.gpu_cache import GpuCache, free_memory  # noqa: E402
from models.training.inference import predict_split, validate  # noqa: E402
from models.training.learner import Learner  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small work is fastest with one thread."""
    torch.set_num_threads(1)


def near(data: Data) -> Data:
    """The data cached on the device "cpu", as if it were a GPU with enough memory."""
    return data.near(CPU, lambda device: 2**40)


def trained(
    data: Data, epochs: int = 2, name: str = "scratch", augment: str = "none", **how: Any
) -> Learner:
    """A network after some epochs."""
    made = learner(name, augment=augment, learning_rate=0.01)
    if how:
        hungry(made, **how)
    for epoch in range(1, epochs + 1):
        train_epoch(made, data, epoch, EpochProgress(), nothing)
    return made


def hungry(made: Learner, call: int, times: int = 1) -> None:
    """Let a network run out of memory at one call and the calls after it, in the middle of its
    forward pass.
    """
    calls = iter(range(1, 10**6))

    def refuse(module: Any, given: Any) -> None:
        if module.training and call <= next(calls) < call + times:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    # Before the last layer: batch norm has counted the batch by then.
    made.network.head.register_forward_pre_hook(refuse)  # type: ignore[operator, union-attr]


def digest(made: Learner) -> str:
    """Weights and batch statistics, bit for bit."""
    return weights_digest(made.network.state_dict())


def test_batches_are_those_that_are_streamed() -> None:
    """Pixels and labels, in any order, the last piece shorter."""
    data = some_data(40)
    pieces = cut(np.random.default_rng(1).permutation(data.splits["train"]), 7)
    here, streamed = list(batches(near(data), pieces, CPU)), list(batches(data, pieces, CPU))

    assert len(here) == len(streamed) == 6
    assert all(torch.equal(a.images, b.images) for a, b in zip(here, streamed, strict=True))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(here, streamed, strict=True))
    assert list(batches(near(data), [], CPU)) == []


def test_images_are_uploaded_whole_however_many_chunks_that_takes() -> None:
    """Chunks of two images, the last one shorter, and chunks smaller than an image."""
    data = some_data(13)
    for chunk_bytes in (2 * 32 * 32 * 3, 1):
        held = GpuCache(data.images, data.labels, np.arange(3, 20), CPU, chunk_bytes)

        assert held.images is not None
        assert np.array_equal(held.images.numpy(), data.images[3:20])


def test_how_far_the_sending_is_is_told_and_can_be_stopped() -> None:
    """After each chunk: copying may take minutes; it must not look like a hang, and a stop must not
    wait for it.
    """
    data, told = some_data(13), list[tuple[int, int]]()

    def stop(done: int, total: int) -> None:
        raise Stopped("enough")

    GpuCache(
        data.images,
        data.labels,
        np.arange(5),
        CPU,
        2 * 32 * 32 * 3,
        lambda *how_far: told.append(how_far),
    )

    assert told == [(2, 5), (4, 5), (5, 5)]
    with pytest.raises(Stopped):
        data.near(CPU, lambda device: 2**40, stop)


def test_test_images_are_not_kept_and_are_streamed() -> None:
    """A training never reads them."""
    data = near(some_data())
    found = [batch.images for batch in batches(data, [data.splits["test"]], CPU)]

    assert data.resident is not None
    assert not data.resident.holds([data.splits["test"]])
    assert data.resident.holds([data.splits["train"], data.splits["validation"]])
    assert np.array_equal(found[0].numpy(), data.images[data.splits["test"]])


@pytest.mark.parametrize(("spare", "kept"), [(0, True), (-1, False)])
def test_images_are_kept_where_a_quarter_of_the_free_memory_holds_them(
    spare: int, kept: bool
) -> None:
    """28 images of 3,072 bytes in four times that memory, and in one byte less."""
    data = some_data().near(CPU, lambda device: 4 * 28 * 3072 + spare)

    assert (data.resident is not None) == kept


def test_a_processor_keeps_no_copy() -> None:
    """Images come from the memory map there."""
    assert some_data().near(CPU).resident is None
    assert free_memory(CPU) == 0


def test_images_that_do_not_fit_after_all_are_streamed() -> None:
    """Another task may use the memory between the check and the copy."""
    huge = np.broadcast_to(np.zeros(1, np.uint8), (1000, 2**20, 2**20, 3))

    assert GpuCache.fitting(huge, np.zeros(1000, np.int64), np.arange(1000), CPU, 2**60) is None


@pytest.mark.parametrize("augment", ["none", "crop-flip"])
def test_training_is_the_same_bit_for_bit(augment: str) -> None:
    """Weights, batch statistics, validation."""
    data = some_data(20)
    kept, streamed = trained(near(data), augment=augment), trained(data, augment=augment)

    assert digest(kept) == digest(streamed)
    assert validate(kept, near(data), 2, lambda done: None) == validate(
        streamed, data, 2, lambda done: None
    )


@pytest.mark.parametrize("call", [1, 4, 6])
def test_where_memory_runs_out_the_images_make_room_and_the_step_is_done_again(call: int) -> None:
    """In the first step, in the middle, in the second epoch: results do not change, nor do batch
    statistics.
    """
    data = some_data(20)
    kept = near(data)

    assert digest(trained(kept, call=call)) == digest(trained(data))
    assert kept.resident is not None
    assert kept.resident.images is None


def test_memory_that_runs_out_once_more_is_said_with_the_step_that_failed() -> None:
    """There is nothing left to free: the caller splits the batch, from this step on."""
    data, running = near(some_data(20)), EpochProgress()
    made = learner(learning_rate=0.01)
    hungry(made, call=2, times=2)
    with pytest.raises(torch.OutOfMemoryError):
        train_epoch(made, data, 1, running, nothing)

    assert running.step == 2
    assert running.images == 8


def test_what_a_listener_raises_is_never_taken_for_a_step_that_failed() -> None:
    """If a checkpoint runs out of memory, its step must not be repeated."""
    data, seen = near(some_data(20)), list[int]()

    def listen(running: EpochProgress, settled: bool) -> None:
        seen.append(running.step)
        raise MemoryError("no room for a checkpoint")

    with pytest.raises(MemoryError):
        train_epoch(learner(), data, 1, EpochProgress(), listen)

    assert seen == [1]
    assert data.resident is not None
    assert data.resident.images is not None


def test_looking_at_images_makes_room_too() -> None:
    """Every prediction comes once, in order, whatever the batch size."""
    data, made = near(some_data()), learner(batch_size=1)
    whole = list(predict_split(made, data, "validation"))
    refusals = iter([False, True, True])

    def refuse(module: Any, given: Any) -> None:
        if next(refusals, False):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    made.network.register_forward_pre_hook(refuse)
    again = list(predict_split(made, data, "validation"))

    assert np.array_equal(
        np.concatenate([piece for piece, _, _ in again]), data.splits["validation"]
    )
    assert torch.equal(
        torch.cat([labels for _, labels, _ in again]), torch.from_numpy(data.labels[20:28])
    )
    assert torch.allclose(
        torch.cat([row for *_, row in again]), torch.cat([row for *_, row in whole]), atol=1e-5
    )
    assert data.resident is not None
    assert data.resident.images is None


def test_batches_of_images_that_were_let_go_are_no_ones() -> None:
    """Reading them would be a bug of ours."""
    data = some_data()
    held = GpuCache(data.images, data.labels, np.arange(20), CPU)
    reading = held.batches(cut(np.arange(20), 5))
    next(reading)

    assert held.release()
    assert not held.release()
    with pytest.raises(AssertionError, match="released"):
        next(reading)


def test_data_without_training_images_is_not_kept() -> None:
    """There is nothing to cache."""
    data = some_data()
    empty: Callable[[], Any] = lambda: np.arange(0)  # noqa: E731
    bare = replace(
        data, splits={"train": empty(), "validation": empty(), "test": data.splits["test"]}
    )

    assert near(bare).resident is None
