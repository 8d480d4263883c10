"""A replayed step is used only if it equals the plain one bit for bit. A stand-in records here, not
a GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.toy_training import CPU, learner, nothing, some_data  # noqa: E402

from jobs.errors import WorkError  # noqa: E402
from models.checkpoints.files import weights_digest  # noqa: E402
from models.training import cuda_graphs  # noqa: E402
from models.training.cuda_graphs import Recorded, Replay, wanted  # noqa: E402
from models.training.learner import Learner, _in_parts  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402
from models.training.microbatches import Split  # noqa: E402

Record = Callable[[Callable[[], Any]], Recorded]


class Recorder:
    """Records like a CUDA graph: the places of the inputs, not their values; runs the work first to
    warm up.
    """

    def __init__(self, wrong: float = 0.0) -> None:
        self.wrong = wrong
        self.recordings = self.replays = 0

    def __call__(self, work: Callable[[], Any]) -> Recorded:
        """The work, to be repeated."""
        self.recordings += 1
        loss = work()

        def again() -> None:
            self.replays += 1
            loss.copy_(work() + self.wrong)

        return again, loss


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small work is fastest with one thread."""
    torch.set_num_threads(1)


def replaying(record: Record, **recipe: Any) -> Learner:
    """A network whose steps are replayed."""
    made = learner(**{"learning_rate": 0.01, **recipe})
    made.replay = Replay(
        made.network,
        made.optimizer,
        made.recipe.batch_size,
        lambda batch: _in_parts(made, batch, [len(batch)]),
        record,
    )
    return made


def epochs(
    made: Learner, rates: tuple[float, ...] = (0.01, 0.01, 0.001)
) -> tuple[str, list[float]]:
    """Weights and statistics, and each epoch's loss, after epochs of three steps, the last of them
    shorter.
    """
    losses, data = [], some_data(20)
    for epoch, rate in enumerate(rates, 1):
        made.optimizer.param_groups[0]["lr"] = rate
        running = EpochProgress()
        train_epoch(made, data, epoch, running, nothing)
        losses.append(running.loss)
    return weights_digest(made.network.state_dict()), losses


def test_replayed_training_is_the_plain_one_bit_for_bit() -> None:
    """With dropout, momentum, short last batches and two learning rates: one recording for each
    rate.
    """
    recorder = Recorder()

    assert epochs(replaying(recorder)) == epochs(learner(learning_rate=0.01))
    assert recorder.recordings == 2
    assert recorder.replays == 5  # six full batches except the first, which creates the momenta


@pytest.mark.parametrize("wrong", [1e-7, float("nan")])
def test_other_numbers_are_not_trusted(wrong: float, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and training uses plain steps."""
    recorder = Recorder(wrong)
    with caplog.at_level(logging.WARNING):
        found = epochs(replaying(recorder))

    assert found == epochs(learner(learning_rate=0.01))
    assert (recorder.recordings, recorder.replays) == (1, 1)
    assert [line for line in caplog.messages if "using plain steps" in line] == [
        "using plain steps, not a CUDA graph: a replayed step gave other results"
    ]


def test_weights_that_differ_are_noticed_though_the_loss_is_equal() -> None:
    """A recording without the optimiser's step gives the right loss once."""
    made = learner(learning_rate=0.01)

    def forgetful(work: Callable[[], Any]) -> Recorded:
        loss = work()

        def again() -> None:
            before = [each.detach().clone() for each in made.network.parameters()]
            loss.copy_(work())
            for each, kept in zip(made.network.parameters(), before, strict=True):
                each.data.copy_(kept)

        return again, loss

    made.replay = Replay(
        made.network,
        made.optimizer,
        8,
        lambda batch: _in_parts(made, batch, [len(batch)]),
        forgetful,
    )

    assert epochs(made) == epochs(learner(learning_rate=0.01))
    assert not made.replay.trusted


def test_without_memory_for_a_recording_steps_are_done_plainly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Although weights were already changed during the recording."""

    def hungry(work: Callable[[], Any]) -> Recorded:
        work()
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    made = replaying(hungry)

    assert epochs(made) == epochs(learner(learning_rate=0.01))
    assert made.replay is not None
    assert made.replay.batch is None
    assert [line for line in caplog.messages if "using plain steps" in line] == [
        "using plain steps, not a CUDA graph: CUDA out of memory. Tried to allocate 2.00 GiB."
    ]


def test_a_recording_that_is_broken_off_ends_the_task() -> None:
    """torch's generator and allocator may still be in recording mode: nothing may be computed there
    any more.
    """

    def broken(work: Callable[[], Any]) -> Recorded:
        work()
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    with pytest.raises(WorkError, match="Unset ORCH_CUDA_GRAPHS") as caught:
        epochs(replaying(broken))

    assert not caught.value.retry


@pytest.mark.parametrize("resident", [False, True])
def test_a_recording_makes_room_for_a_step_that_runs_out_of_memory(resident: bool) -> None:
    """The short batch at an epoch's end is repeated, with the same result, and all later steps are
    plain.
    """
    made, data = replaying(Recorder()), some_data(20)
    sizes = list[int]()

    def refuse(module: Any, given: Any) -> None:
        sizes.append(len(given[0]))
        if module.training and sizes.count(4) == 1 and len(given[0]) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    made.network.head.register_forward_pre_hook(refuse)  # type: ignore[operator, union-attr]
    plain = learner(learning_rate=0.01)
    held = data.near(CPU, lambda device: 2**40) if resident else data
    for epoch in (1, 2):
        train_epoch(made, held, epoch, EpochProgress(), nothing)
        train_epoch(plain, data, epoch, EpochProgress(), nothing)

    assert weights_digest(made.network.state_dict()) == weights_digest(plain.network.state_dict())
    assert made.replay is not None
    assert not made.replay.trusted
    assert held.resident is None or held.resident.images is not None


def test_a_batch_in_parts_is_not_replayed() -> None:
    """Its trial keeps using micro-batches."""
    recorder = Recorder()
    made = replaying(recorder)
    made.splits = (Split(1, 1, 2),)
    epochs(made, (0.01,))

    assert recorder.recordings == 0


def test_nothing_is_replayed_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not without the variable, not on a CPU, not for a deterministic recipe."""
    gpu = torch.device("cuda")
    monkeypatch.delenv("ORCH_CUDA_GRAPHS", raising=False)
    without = wanted(gpu, False)
    monkeypatch.setenv("ORCH_CUDA_GRAPHS", "1")

    assert not without
    assert [wanted(gpu, False), wanted(gpu, True), wanted(CPU, False)] == [True, False, False]
    assert learner().replay is None
    assert cuda_graphs.WARM_UPS >= 1
