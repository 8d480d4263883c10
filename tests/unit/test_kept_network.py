"""Which network is tested: the average over steps, the best epoch; and what classes weigh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.toy_training import CPU, learner, nothing, some_data  # noqa: E402
from torch.nn import functional  # noqa: E402

from jobs.early_stopping import best_row  # noqa: E402
from jobs.errors import BadSpec  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.spec.class_weights import told  # noqa: E402
from models.training.average import Average  # noqa: E402
from models.training.inference import validate  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402
from models.training.loss import class_weights, mean_loss  # noqa: E402


def test_the_average_is_that_of_numpy() -> None:
    """Of parameters and of the statistics of batch norms."""
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    average = Average.of(network, 0.5)
    expected: dict[str, Any] = {
        name: value.numpy().copy() for name, value in average.values.items()
    }
    for number in range(20):
        with torch.no_grad():
            network[0].weight.add_(number)
            network(torch.randn(8, 3))
        average.update()
        decay = min(0.5, (1 + number) / (10 + number))
        for name, value in expected.items():
            live = network.state_dict()[name].numpy()
            expected[name] = decay * value + (1 - decay) * live

    assert set(expected) == set(network.state_dict()) - {"1.num_batches_tracked"}
    for name, value in average.values.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-5, atol=1e-6)


def test_the_average_is_validated_and_the_network_is_trained_on() -> None:
    """Training is the same with and without it."""
    data, made, plain = some_data(20), learner(ema=0.9), learner()
    for each in (made, plain):
        train_epoch(each, data, 1, EpochProgress(), nothing)
    found = validate(made, data, 1, lambda done: None)
    after = {name: value.clone() for name, value in made.network.state_dict().items()}
    plain.network.load_state_dict(made.tested())

    assert validate(plain, data, 1, lambda done: None) == found
    assert any(not torch.equal(after[name], value) for name, value in made.tested().items())


@pytest.mark.parametrize("shares", [False, True])
def test_classes_weigh_as_numpy_says(shares: bool) -> None:
    """The mean is over images, so that parts of a batch add up."""
    scores, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 2, 1])
    weights = np.array([2.0, 1.0, 0.5])
    logs = functional.log_softmax(scores, 1).numpy()
    expected = -np.mean([weights[y] * row[y] for row, y in zip(logs, labels, strict=True)])
    given = functional.one_hot(labels, 3).float() if shares else labels

    found = mean_loss(scores, given, weights=torch.tensor(weights).float())
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_are_inverse_to_the_training_images() -> None:
    """With a mean of 1 over these; named classes have what they are given, others 1."""
    data = some_data(20)
    data.labels[data.splits["train"]] = [0] * 15 + [1] * 5

    def weights(value: Any) -> list[float]:
        found = class_weights(model.Recipe(class_weights=value), data, CPU)
        return [] if found is None else found.tolist()

    assert weights("balanced") == pytest.approx([20 / 30, 20 / 10])
    assert weights({"light": 3}) == [1, 3]
    assert weights("none") == []
    with pytest.raises(BadSpec, match=r"no class 'lihgt'.*dark, light"):
        weights({"lihgt": 3})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("balanced", "balanced"),
        ({"b": 2, "a": 0.5}, "a 0.5, b 2"),
        ("b=2,a=0.5", "a 0.5, b 2"),
        ([["b", 2.0], ["a", 0.5]], "a 0.5, b 2"),
    ],
)
def test_weights_are_written_in_several_ways(value: Any, shown: str) -> None:
    """On the command line, in a file, in a record."""
    assert told(model.Recipe(class_weights=value).class_weights) == shown


@pytest.mark.parametrize("value", ["even", "a=0", "a=x", "=2", "a=1,a=2", {}, {"a": -1}, 3, None])
def test_weights_that_mean_nothing_are_refused(value: Any) -> None:
    """With what the key takes."""
    with pytest.raises(BadSpec, match="class_weights: one of none, balanced, or classes"):
        model.build({"backbones": "scratch", "class_weights": value})


def test_a_spec_file_names_classes_with_weights(tmp_path: Path) -> None:
    """As a mapping."""
    path = tmp_path / "spec.yaml"
    path.write_text("backbones: scratch\nclass_weights: {cat: 2, 007: 3}\n")

    assert model.build(model.read_file(path)).class_weights == (("007", 3.0), ("cat", 2.0))


def test_the_best_epoch_is_the_first_of_equals_by_the_metric_of_stopping() -> None:
    """By the loss unless another one was chosen; an epoch without a value is never the best."""
    rows = [
        {"val_loss": loss, "val_accuracy": accuracy}
        for loss, accuracy in ((0.5, 0.7), (0.3, 0.8), (0.3, 0.9), (None, None), (0.4, 0.9))
    ]
    recipe = model.build({"backbones": "scratch", "keep": "best"}).recipe()

    assert best_row(rows, recipe) == 1
    assert best_row(rows, recipe.model_copy(update={"early_stop_metric": "accuracy"})) == 2
    assert best_row(rows[3:4], recipe) is None
