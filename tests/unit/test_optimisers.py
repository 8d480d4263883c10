"""Any optimiser of torch: made from its entry, replayed or refused, never done twice."""

from __future__ import annotations

import logging
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support import new_entries  # noqa: E402
from support.new_entries import OPTIMISER, SCHEDULE  # noqa: E402
from support.toy_training import CPU, learner, nothing, some_data  # noqa: E402

from jobs.catalog.optimisers import OPTIMISERS  # noqa: E402
from models.checkpoints.files import weights_digest  # noqa: E402
from models.training import cuda_graphs, optimisation  # noqa: E402
from models.training.cuda_graphs import Recorded, Replay  # noqa: E402
from models.training.learner import Learner, _in_parts  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402


class CountingSGD(torch.optim.SGD):
    """Keeps a number beside its tensors, as some optimisers do."""

    def step(self, closure: Any = None) -> Any:
        """One step, counted."""
        super().step(closure)
        for parameter in self.state:
            self.state[parameter]["steps"] = self.state[parameter].get("steps", 0) + 1


@pytest.fixture(autouse=True)
def one_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry more in each registry, and small work on one thread."""
    torch.set_num_threads(1)
    new_entries.add(monkeypatch)
    counting = OPTIMISERS["sgd"]._replace(name="counting", make=f"{__name__}:CountingSGD")
    monkeypatch.setitem(OPTIMISERS, "counting", counting)


def again(work: Any) -> Recorded:
    """A recording that does the work again."""
    loss = work()
    return (lambda: loss.copy_(work())), loss


def forgetful(work: Any) -> Recorded:
    """A recording that does the work without the optimiser's second moments, as a graph may."""
    loss = work()
    return (lambda: loss.copy_(loss)), loss


def replaying(record: Any, **recipe: Any) -> Learner:
    """A network whose steps are replayed."""
    made = learner(**recipe)
    made.replay = Replay(
        made.network,
        made.optimizer,
        made.recipe.batch_size,
        lambda batch: _in_parts(made, batch, [len(batch)]),
        record,
    )
    return made


def trained(made: Learner) -> str:
    """The digest of weights after two epochs."""
    for epoch in (1, 2):
        train_epoch(made, some_data(20), epoch, EpochProgress(), nothing)
    return weights_digest(made.network.state_dict())


def test_the_default_is_the_optimiser_of_the_study() -> None:
    """SGD with momentum and a plateau, on a processor without fused kernels."""
    made = learner(learning_rate=0.02, momentum=0.8, plateau_factor=0.3, plateau_patience=4)
    group = made.optimizer.param_groups[0]

    assert type(made.optimizer) is torch.optim.SGD
    assert (group["lr"], group["momentum"], group["fused"]) == (0.02, 0.8, False)
    assert type(made.scheduler) is torch.optim.lr_scheduler.ReduceLROnPlateau
    assert (made.scheduler.factor, made.scheduler.patience) == (0.3, 4)


def test_the_state_of_another_optimiser_is_replayed_too() -> None:
    """All its tensors are compared and put back, not momenta alone."""
    made = replaying(again, optimiser=OPTIMISER.name)
    plain = trained(learner(optimiser=OPTIMISER.name))

    assert trained(made) == plain
    assert made.replay is not None
    assert made.replay.trusted
    assert len(cuda_graphs.state_tensors(made.optimizer)) == 3 * len(
        list(made.network.parameters())
    )


def test_a_recording_that_leaves_out_a_part_of_the_state_is_not_trusted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Such as the number of steps, which Adam keeps on the processor."""
    made = replaying(forgetful, optimiser=OPTIMISER.name)
    with caplog.at_level(logging.WARNING):
        found = trained(made)

    assert found == trained(learner(optimiser=OPTIMISER.name))
    assert caplog.messages == [
        "using plain steps, not a CUDA graph: a replayed step gave other results"
    ]


def test_an_optimiser_that_keeps_more_than_tensors_is_refused_by_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A number could not be put back after a recording; steps are done plainly."""
    made = replaying(again, optimiser="counting")
    with caplog.at_level(logging.WARNING):
        found = trained(made)

    assert found == trained(learner())
    assert caplog.messages == [
        "using plain steps, not a CUDA graph: CountingSGD keeps 'steps', which is not a tensor"
    ]


def test_any_setting_that_a_schedule_changes_makes_a_new_recording() -> None:
    """A recording keeps the momentum that it was made with."""
    made = replaying(again)
    train_epoch(made, some_data(20), 1, EpochProgress(), nothing)
    assert made.replay is not None
    before = made.replay.recorded_with
    made.optimizer.param_groups[0]["momentum"] = 0.5
    train_epoch(made, some_data(20), 2, EpochProgress(), nothing)

    assert before is not None
    assert made.replay.recorded_with is not None
    assert (before[0]["momentum"], made.replay.recorded_with[0]["momentum"]) == (0.9, 0.5)


@pytest.mark.parametrize(("name", "attempts"), [("sgd", 2), (OPTIMISER.name, 1)])
def test_a_step_out_of_memory_is_done_again_only_where_nothing_has_changed(
    name: str, attempts: int
) -> None:
    """SGD promises that; of another optimiser nobody knows what it changed before."""
    made = learner(optimiser=name)
    data = some_data(20).near(CPU, lambda device: 2**40)
    calls = []

    def hungry(*given: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    made.optimizer.register_step_pre_hook(hungry)
    if attempts == 1:
        with pytest.raises(torch.OutOfMemoryError):
            train_epoch(made, data, 1, EpochProgress(), nothing)
    else:
        train_epoch(made, data, 1, EpochProgress(), nothing)

    assert optimisation.can_step_again(made.recipe) == (attempts == 2)
    assert len(calls) == (1 if attempts == 1 else 4)


def test_a_schedule_without_the_loss_steps_after_each_epoch() -> None:
    """Whatever the validation loss is."""
    made = learner(schedule=SCHEDULE.name)
    for _ in range(3):
        optimisation.step_scheduler(made.scheduler, made.recipe, float("inf"))

    assert made.learning_rate == pytest.approx(0.001 * 0.9**3)
