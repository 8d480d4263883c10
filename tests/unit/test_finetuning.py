"""Training only the head, keeping batch norms, and another learning rate for the head."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory  # noqa: E402
from support.noise_laboratories import noise_laboratories  # noqa: E402
from support.toy_training import CPU, learner, nothing, some_data  # noqa: E402
from torch import nn  # noqa: E402

from jobs.errors import BadSpec, NewerRecord  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.spec.model import Recipe  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.task import Task  # noqa: E402
from models.checkpoints import files  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.evaluation import restore  # noqa: E402
from models.networks.build import build_network  # noqa: E402
from models.networks.linear_probe import find_head, head_values, require_head  # noqa: E402
from models.training import features  # noqa: E402
from models.training.inference import validate  # noqa: E402
from models.training.learner import Learner  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402
from orchestrator.analysis import cost  # noqa: E402


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    """Makes laboratories of their own, each with the data set prepared."""
    return noise_laboratories(tmp_path_factory)


def head_only(laboratory: Laboratory, backbone: str = "squeezenet", **how: Any) -> str:
    """A recorded trial that trains the head for two epochs."""
    return laboratory.trial(backbone, [2], batch_size=8, learning_rate=0.05, finetune="head", **how)


@pytest.mark.parametrize("backbone", ["squeezenet", "mobilenet-v3"])
def test_only_the_head_changes_and_its_losses_are_those_of_the_whole_network(
    prepared: Callable[[], Laboratory], backbone: str
) -> None:
    """The network is that of a full training before its first step, but for the last layer."""
    laboratory = prepared()
    trial = head_only(laboratory, backbone)
    laboratory.train(trial, 2)
    data = Data.load(laboratory.store, laboratory.data)
    trained = restore.learner(laboratory.store, Task("train", trial, 2), 3, "cpu")
    begun = build_network(backbone, 3, 0).state_dict()
    changed = {
        name.rpartition(".")[0]
        for name, value in trained.network.state_dict().items()
        if not torch.equal(value, begun[name])
    }
    values = head_values(backbone, trained.network, 3, 32, None)
    validation = validate(trained, data, 2, lambda images: None)
    loss, accuracy = validation.loss, validation.accuracy
    last = tables.read_rows(laboratory.store.root, "epochs", [trial]).to_pylist()[-1]

    assert changed == {next(iter(values)).rpartition(".")[0]}
    assert math.isclose(loss, last["val_loss"], rel_tol=1e-5)
    assert accuracy == last["val_accuracy"]


def test_features_are_computed_once_for_all_seeds_of_a_network_with_weights(
    prepared: Callable[[], Laboratory], tmp_path: Path
) -> None:
    """The second seed finds them; a damaged file is computed again, to the same bits."""
    laboratory = prepared()
    torch.save(build_network("squeezenet", 1000, 5).state_dict(), tmp_path / "squeezenet1_0.pth")
    laboratory.weights_dir = tmp_path
    folder = laboratory.store.features_folder
    found = []
    for seed in (0, 1):
        laboratory.train(head_only(laboratory, weights="imagenet", seed=seed), 2)
        found.append(sorted(path.name for path in folder.iterdir()))
    (array,) = folder.glob("*.npy")
    contents = array.read_bytes()
    array.write_bytes(contents[:-4] + b"oops")
    laboratory.train(head_only(laboratory, weights="imagenet", seed=2), 2)
    again = [path for path in folder.glob("*.npy") if path != array]

    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert [path.read_bytes() for path in again] == [contents]


def test_a_training_tells_what_its_features_cost_and_who_computed_them(
    prepared: Callable[[], Laboratory], tmp_path: Path
) -> None:
    """The second seed costs what the first one's features took; its epochs are told apart."""
    laboratory = prepared()
    torch.save(build_network("squeezenet", 1000, 5).state_dict(), tmp_path / "squeezenet1_0.pth")
    laboratory.weights_dir = tmp_path
    trials = [head_only(laboratory, weights="imagenet", seed=seed) for seed in (0, 1)]
    for trial in trials:
        laboratory.train(trial, 2)
    results = {trial: {2: laboratory.store.done(Task("train", trial, 2))} for trial in trials}
    costs = cost.features_of(trials, results)

    assert costs[trials[0]].seconds == costs[trials[1]].seconds > 0
    assert [costs[trial].shared for trial in trials] == [False, True]
    assert {each[2].features_by for each in results.values()} == {trials[0]}


def test_a_training_of_all_layers_has_no_features(prepared: Callable[[], Laboratory]) -> None:
    """Nothing is recorded, and nothing counted."""
    laboratory = prepared()
    trial = laboratory.trial("scratch", [1], batch_size=8)
    laboratory.train(trial, 1)
    results = {1: laboratory.store.done(Task("train", trial, 1))}

    assert (results[1].feature_seconds, results[1].features_by) == (None, None)
    assert cost.features_of([trial], {trial: results}) == {}


class TwoHeads(nn.Module):
    """Two layers follow the number of classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, classes), nn.Linear(3, classes)

    def forward(self, images: Any) -> Any:
        """The sum of both."""
        colours = images.mean((2, 3))
        return self.one(colours) + self.other(colours)


class Scaled(nn.Module):
    """Its scores are not what the last layer gives."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, classes)

    def forward(self, images: Any) -> Any:
        """The doubled output of the last layer."""
        return 2 * self.head(images.mean((2, 3)))


def test_a_network_without_one_last_layer_is_refused() -> None:
    """The message names the network and the other setting."""
    torch.manual_seed(0)
    scaled, images = Scaled(2), torch.randn(2, 3, 8, 8)
    values = frozenset({"one.weight", "one.bias", "other.weight", "other.bias"})
    with pytest.raises(BadSpec, match="has more than one layer that follows the number of"):
        find_head("two.py:Two", TwoHeads(2), values)
    head = find_head("scaled.py:Scaled", scaled, frozenset({"head.weight", "head.bias"}))
    with pytest.raises(BadSpec, match="do not come from its last layer alone"):
        require_head("scaled.py:Scaled", head, scaled, images)


def test_frozen_batch_norms_stay_as_they_began() -> None:
    """Statistics and weights; all else is trained."""
    kept, trained = learner(freeze_batch_norm=True), learner()
    before = files.weights_digest(
        {k: v.clone() for k, v in kept.network.state_dict().items() if "norm" in k}
    )
    for each in (kept, trained):
        train_epoch(each, some_data(), 1, EpochProgress(), nothing)
    after = [
        files.weights_digest({k: v for k, v in each.network.state_dict().items() if "norm" in k})
        for each in (kept, trained)
    ]

    assert after[0] == before != after[1]


def test_the_head_has_its_own_learning_rate() -> None:
    """The first step of plain SGD moves the head ten times as far as with the common rate."""
    moved = []
    for rate in (None, 0.01):
        network = build_network("scratch", 2, 0)
        begun = {name: value.clone() for name, value in network.state_dict().items()}
        recipe = Recipe(batch_size=20, head_learning_rate=rate)
        values = head_values("scratch", network, 2, 32, None)
        one = Learner.of(network, recipe, 0, CPU, "fp32", head_values=values)
        train_epoch(one, some_data(), 1, EpochProgress(), nothing)
        state = network.state_dict()
        moved.append([state[k] - begun[k] for k in ("head.weight", "hidden.0.weight")])

    assert torch.allclose(moved[1][0], 10 * moved[0][0], rtol=1e-3, atol=1e-7)
    assert torch.equal(moved[1][1], moved[0][1])


PRETRAINED = {"backbones": "squeezenet", "data": "photos", "weights": "imagenet"}
IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"finetune": "head", "augment": "flip"}, "augment flip cannot be used with finetune head"),
    ({"finetune": "head", "mixup": 0.2}, "mixup 0.2 cannot be used with finetune head"),
    ({"finetune": "head", "cutmix": 1}, "cutmix 1.0 cannot be used with finetune head"),
    ({"finetune": "head", "freeze_batch_norm": True}, "freeze_batch_norm has no effect"),
    ({"finetune": "head", "head_learning_rate": 0.1}, "give learning_rate"),
    ({"finetune": "head", "weights": "none"}, "squeezenet begins with random weights"),
    ({"finetune": "head", "backbones": "all"}, "scratch begins with random weights; leave it out"),
    ({"finetune": "head", "data": "digits", "weights": "none"}, "give weights imagenet"),
    ({"freeze_batch_norm": True, "backbones": "scratch"}, "scratch begins with random weights"),
    ({"finetune": "body"}, "finetune: one of full, head is needed"),
    ({"mixup": -1}, "mixup: a number"),
    ({"mixup": float("nan")}, "mixup: a number"),
    ({"cutmix": True}, "a number is needed, not true or false"),
    ({"head_learning_rate": 0}, "head_learning_rate: a number above 0"),
    ({"freeze_batch_norm": "perhaps"}, "freeze_batch_norm: true or false is needed"),
    ({"augment": "mixup"}, "augment: one of none, flip"),
    (
        {"backbones": [{"name": "squeezenet", "learning_rate": 0}]},
        "backbones: squeezenet: learning_rate: a number above 0 is needed",
    ),
]


@pytest.mark.parametrize(("settings", "message"), IMPOSSIBLE)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    """With the reason, before anything is written."""
    with pytest.raises(BadSpec) as error:
        model.build(PRETRAINED | settings)

    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_own_networks_may_begin_with_weights_of_their_own(tmp_path: Path) -> None:
    """Nothing is known of what their function gives, so the head alone may be trained."""
    (tmp_path / "mine.py").write_text("")
    spec = model.build(
        {"backbones": f"{tmp_path}/mine.py:make", "data": "photos", "finetune": "head"}
    )

    assert spec.finetune == "head"


def test_a_network_may_have_its_own_learning_rate() -> None:
    """It is part of that network's trials only."""
    spec = model.build({"backbones": ["vgg16", {"name": "alexnet", "learning_rate": 0.02}]})

    assert spec.recipe("alexnet").learning_rate == 0.02
    assert spec.recipe("vgg16") == spec.recipe() == Recipe()


def test_features_that_a_newer_orch_has_kept_are_left_alone(tmp_path: Path) -> None:
    """They are neither removed nor computed again."""
    path = tmp_path / "key.json"
    path.write_text('{"format": 2}')

    with pytest.raises(NewerRecord, match="Upgrade orch on this machine"):
        features._kept(tmp_path, "key")

    assert path.read_text() == '{"format": 2}'
