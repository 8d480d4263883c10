"""Rates and steps of a recipe beside those of torch, stepped by hand."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.toy_training import learner, nothing, some_data  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402

from jobs.errors import BadSpec, LossNotFinite  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.task import Trial  # noqa: E402
from models.training import optimisation  # noqa: E402
from models.training.learner import Learner  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402
from models.training.loss import mean_loss  # noqa: E402

LOSSES = [1.0, 0.9, 0.95, 0.97, 0.99, 0.8, 0.85, 0.9]


def rates(made: Learner) -> list[float]:
    """The learning rate of each of eight epochs."""
    found = []
    for loss in LOSSES:
        found.append(made.learning_rate)
        optimisation.step_scheduler(made.scheduler, made.recipe, loss)
    return found


def by_hand(scheduler: Any, losses: bool = False) -> list[float]:
    """The same of a scheduler of torch."""
    found = []
    for loss in LOSSES:
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step(loss) if losses else scheduler.step()
    return found


def plain() -> Any:
    """An optimiser of torch with the rate 0.4."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)


def warmed(after: Any, epochs: int) -> Any:
    """A scheduler of torch after a linear warm-up."""
    begin = lr_scheduler.LinearLR(after.optimizer, 1 / (epochs + 1), total_iters=epochs)
    return lr_scheduler.SequentialLR(after.optimizer, [begin, after], [epochs])


@pytest.mark.parametrize("warmup", [0, 3])
def test_a_cosine_is_that_of_torch(warmup: int) -> None:
    """After a linear warm-up; it ends at 0 after the last epoch."""
    made = learner(
        learning_rate=0.4, schedule="cosine", horizon_epochs=8, warmup_epochs=warmup, batch_size=4
    )
    scheduler = lr_scheduler.CosineAnnealingLR(plain(), 8 - warmup)

    expected = by_hand(warmed(scheduler, warmup) if warmup else scheduler)
    assert rates(made) == pytest.approx(expected)
    assert made.learning_rate == pytest.approx(0, abs=1e-9)


def test_a_constant_rate_is_reached_after_its_warm_up() -> None:
    """In equal steps."""
    made = learner(learning_rate=0.4, schedule="constant", warmup_epochs=3)

    assert rates(made) == pytest.approx([0.1, 0.2, 0.3] + [0.4] * 5)
    assert rates(learner(learning_rate=0.4, schedule="constant")) == [0.4] * 8


def test_a_plateau_counts_from_the_end_of_its_warm_up() -> None:
    """It is torch's from then on."""
    made = learner(learning_rate=0.4, warmup_epochs=2, plateau_patience=1, plateau_factor=0.5)
    scheduler = lr_scheduler.ReduceLROnPlateau(plain(), factor=0.5, patience=1)
    after = []
    for loss in LOSSES[2:]:
        after.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step(loss)

    assert rates(made) == pytest.approx([0.4 / 3, 0.8 / 3, *after])
    assert len(set(after)) > 1


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_step_is_that_of_torch(name: str) -> None:
    """Weight decay without norms and biases, gradients clipped, labels smoothed."""
    torch.set_num_threads(1)
    recipe = {"weight_decay": 0.3, "clip_norm": 0.2, "label_smoothing": 0.1, "learning_rate": 0.01}
    made, twin = learner(optimiser=name, **recipe), learner()
    groups = [
        {"params": [p for p in twin.network.parameters() if p.ndim > 1], "weight_decay": 0.3},
        {"params": [p for p in twin.network.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer: Any = {
        "sgd": lambda: torch.optim.SGD(groups, lr=0.01, momentum=0.9),
        "adamw": lambda: torch.optim.AdamW(groups, lr=0.01, fused=True),
    }[name]()
    data = some_data(16)
    train_epoch(made, data, 1, EpochProgress(), nothing)

    def by_hand_too(batch: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(twin.scores(batch), batch.labels, label_smoothing=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(twin.network.parameters(), 0.2)
        optimizer.step()
        return loss.detach()

    twin.replay = type("ByHand", (), {"step": lambda self, batch, seed: _seeded(batch, seed)})()

    def _seeded(batch: Any, seed: int) -> Any:
        torch.manual_seed(seed)
        return by_hand_too(batch)

    train_epoch(twin, data, 1, EpochProgress(), nothing)
    for ours, theirs in zip(made.network.parameters(), twin.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_smoothing_leaves_the_validation_loss_alone() -> None:
    """Only the loss of training has it."""
    scores, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])

    assert mean_loss(scores, labels, 0.2) == functional.cross_entropy(
        scores, torch.tensor([[0.9, 0.1]])
    )


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (
            {"precision": "bf16"},
            r"Try --learning-rate 1e\+19 instead of 1e\+20, or --precision fp32\.",
        ),
        ({"head_learning_rate": 0.5}, r"of 1e.20 and --head-learning-rate 0.05 instead of 0.5\."),
    ],
)
def test_a_loss_that_is_infinite_names_the_rates_and_smaller_ones(
    head: dict[str, Any], why: str
) -> None:
    """A tenth of them, and where a network's own rate is set."""
    made = learner(learning_rate=1e20, **head)
    with pytest.raises(LossNotFinite, match=rf"{why}.*learning_rate of its own in backbones"):
        train_epoch(made, some_data(40), 1, EpochProgress(), nothing)


def named(**values: Any) -> tuple[Any, str]:
    """The specification with these values, and the name of its trial."""
    spec = model.build({"backbones": "scratch", **values})
    return spec, Trial("d-64px-00000000", "scratch", "none", spec.recipe(), 0).name


def test_a_length_is_part_of_names_only_where_the_schedule_depends_on_it() -> None:
    """By default that of all periods."""
    cosine = {"schedule": "cosine"}

    assert named(periods=3)[1] == named(periods=6)[1]
    assert named(**cosine, periods=3)[1] != named(**cosine, periods=6)[1]
    assert named(**cosine, periods=3)[1] == named(**cosine, periods=3, horizon_epochs=30)[1]
    assert named(**cosine, periods=3, horizon_epochs=60)[1] == named(**cosine, periods=6)[1]
    assert named(**cosine)[0].recipe().horizon_epochs == 30


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"schedule": "cosine", "horizon_epochs": 29}, "less than the 30 epochs of all periods"),
        ({"schedule": "cosine", "warmup_epochs": 30}, "leaves nothing of the 30 epochs"),
        ({"horizon_epochs": 60}, "horizon_epochs 60 has no effect with the schedule 'plateau'"),
        ({"schedule": "constant", "plateau_patience": 1}, "plateau_patience 1 has no effect"),
        ({"optimizer": "adamw", "momentum": 0.5}, "momentum 0.5 has no effect"),
        ({"optimizer": "adamx"}, "Did you mean 'adamw'"),
        ({"weight_decay": -1}, "weight_decay: a number from 0 to 100"),
        ({"clip_norm": 0}, "clip_norm: a number above 0 or none"),
        ({"label_smoothing": 1}, "label_smoothing: a number of at least 0 and below 1"),
        ({"warmup_epochs": True}, "a number is needed, not true or false"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_what_to_change(values: dict[str, Any], words: str) -> None:
    """Before anything is written."""
    with pytest.raises(BadSpec) as refused:
        named(**values)

    assert words in str(refused.value)
