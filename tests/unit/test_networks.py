"""The networks of the catalog, their heads, and the pretrained weights they start from."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
torchvision = pytest.importorskip("torchvision")

from torch import nn  # noqa: E402

from jobs.catalog.backbones import CATALOG  # noqa: E402
from jobs.errors import BadSpec, BadWeights  # noqa: E402
from jobs.spec.model import build as build_spec  # noqa: E402
from models.checkpoints.files import weights_digest  # noqa: E402
from models.networks import build  # noqa: E402
from models.networks.linear_probe import find_head, head_values, require_head  # noqa: E402
from orchestrator.submission.rank import twins  # noqa: E402


@pytest.fixture(scope="module")
def squeezenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of torchvision's SqueezeNet 1.0 under the expected file name."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("weights") / "squeezenet1_0.pth"
    torch.save(torchvision.models.squeezenet1_0().state_dict(), path)
    return path


def trains(network: nn.Module, size: int) -> bool:
    """Whether one forward and backward pass of two images works and reaches every parameter."""
    network.train()
    network(torch.randn(2, 3, size, size)).square().sum().backward()
    return all(value.grad is not None for value in network.parameters())


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("classes", [2, 20])
def test_the_catalog_knows_each_networks_parameters(name: str, classes: int) -> None:
    """The controller's count, made without torch, is the network's own; all are trainable."""
    network = build.skeleton(name, classes)

    assert sum(value.numel() for value in network.parameters()) == CATALOG[name].parameters(classes)
    assert all(value.requires_grad for value in network.parameters())


@pytest.mark.parametrize("name", CATALOG)
def test_each_network_trains_at_the_smallest_size_of_the_catalog_and_not_below(name: str) -> None:
    """One pixel less fails in the network, or is below the minimum of any data set."""
    smallest = CATALOG[name].min_image_size
    network = build.build_network(name, 2, 0)

    assert trains(network, smallest)
    if smallest > 8:
        with pytest.raises(RuntimeError):
            trains(network, smallest - 1)
    with pytest.raises(BadSpec):
        build_spec({"backbones": [name], "image_size": smallest - 1})


@pytest.mark.parametrize("name", ["squeezenet", "squeezenet-finetuned"])
def test_squeezenets_head_is_the_studys(name: str) -> None:
    """Dropout, a convolution (1x1 or 3x3, no padding), ReLU, average pooling."""
    head = build.skeleton(name, 20).classifier
    kernel = (3, 3) if name.endswith("finetuned") else (1, 1)

    assert [type(layer).__name__ for layer in head] == [
        "Dropout",
        "Conv2d",
        "ReLU",
        "AdaptiveAvgPool2d",
    ]
    assert (head[1].in_channels, head[1].out_channels, head[1].kernel_size) == (512, 20, kernel)
    assert (head[1].stride, head[1].padding, head[0].p) == ((1, 1), (0, 0), 0.5)


def test_squeezenets_head_starts_small_on_a_pretrained_body_only(squeezenet_file: Path) -> None:
    """Torchvision's deviation of 0.01 and no bias with weights; the layer's usual, larger values
    without.
    """
    small = build.build_network("squeezenet", 20, 0, squeezenet_file).classifier[1]
    usual = build.build_network("squeezenet", 20, 0).classifier[1]

    assert small.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert small.bias.abs().max().item() == 0
    assert usual.weight.std().item() == pytest.approx(512**-0.5 / 3**0.5, rel=0.1)


@pytest.mark.parametrize("name", ["alexnet", "mobilenet-v3", "vgg16", "resnet34"])
def test_a_heads_first_values_are_spread_as_torchvisions(name: str) -> None:
    """The same layer in torchvision's network of 1,000 classes has initial values of the same
    deviation.
    """
    own = build.build_network(name, 1000, 0)
    theirs = torchvision.models.get_model(CATALOG[name].torchvision_name)
    found, expected = (
        [value for value in network.parameters() if value.shape[0] == 1000][-2:]
        for network in (own, theirs)
    )

    for mine, other in zip(found, expected, strict=True):
        assert mine.std().item() == pytest.approx(other.std().item(), rel=0.15)


def test_random_values_come_from_the_seed_and_the_name_alone() -> None:
    """Neither the state of torch's generator nor earlier networks matter; another seed does."""
    first = weights_digest(build.build_network("squeezenet", 5, 3).state_dict())
    torch.rand(5)
    again = weights_digest(build.build_network("squeezenet", 5, 3).state_dict())
    other = weights_digest(build.build_network("squeezenet", 5, 4).state_dict())

    assert first == again
    assert first != other


def test_networks_of_one_body_and_weights_file_have_equal_frozen_features(
    squeezenet_file: Path,
) -> None:
    """So a ranking leaves one of them out; another body would give other features."""
    images = torch.rand(2, 3, 64, 64)

    def features(name: str, weights: Path | None) -> torch.Tensor:
        network = build.build_network(name, 4, 0, weights)
        values = head_values(name, network, 4, 64, None)
        head = find_head(name, network, values)
        return head.averaged(require_head(name, head, network, images))

    ((one, other),) = twins().items()

    assert torch.equal(features(one, squeezenet_file), features(other, squeezenet_file))
    assert not torch.equal(features(one, squeezenet_file), features(other, None))


def test_pretrained_values_are_taken_for_all_but_the_head(squeezenet_file: Path) -> None:
    """The body comes from the file, the head is ours and seeded, and all of it is trainable."""
    found = torch.load(squeezenet_file, weights_only=True)
    network = build.build_network("squeezenet-finetuned", 4, 0, squeezenet_file)
    again = build.build_network("squeezenet-finetuned", 4, 0, squeezenet_file)
    body = {
        name: value for name, value in network.state_dict().items() if name.startswith("features")
    }

    assert all(torch.equal(value, found[name]) for name, value in body.items())
    assert weights_digest(network.state_dict()) == weights_digest(again.state_dict())
    assert trains(network, 64)


def test_half_precision_weights_become_single_precision(
    squeezenet_file: Path, tmp_path: Path
) -> None:
    """A file of float16 is as good as one of float32."""
    half = {
        name: value.half() for name, value in torch.load(squeezenet_file, weights_only=True).items()
    }
    torch.save(half, tmp_path / "half.pth")
    network = build.build_network("squeezenet", 4, 0, tmp_path / "half.pth")

    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: state.pop("features.0.weight"), "it lacks 'features.0.weight'"),
        (
            lambda state: state.update({"features.0.bias": torch.zeros(3)}),
            "'features.0.bias' has shape [3] instead of [96]",
        ),
        (
            lambda state: state.update(more=torch.zeros(1)),
            "it has 'more', which the network does not have",
        ),
        (
            lambda state: state["features.0.bias"].fill_(float("nan")),
            "'features.0.bias' has values that are not",
        ),
        (lambda state: state.update(epoch=3), "is not a plain state dict"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_file_and_first_mismatch(
    squeezenet_file: Path, tmp_path: Path, spoil: object, said: str
) -> None:
    """The message names the file and its first mismatch."""
    state = torch.load(squeezenet_file, weights_only=True)
    spoil(state)  # type: ignore[operator]
    torch.save(state, tmp_path / "squeezenet1_0.pth")
    with pytest.raises(BadWeights) as refusal:
        build.build_network("squeezenet", 4, 0, tmp_path / "squeezenet1_0.pth")

    assert said in str(refusal.value)
    assert str(tmp_path / "squeezenet1_0.pth") in str(refusal.value)


@pytest.mark.parametrize("contents", [b"", b"not weights", b"PK\x03\x04 torn"])
def test_a_file_that_is_not_weights_is_refused(tmp_path: Path, contents: bytes) -> None:
    """Any error of torch's reader becomes one clear line."""
    (tmp_path / "w.pth").write_bytes(contents)
    with pytest.raises(BadWeights, match=r"w\.pth is not a weights file"):
        build.build_network("squeezenet", 4, 0, tmp_path / "w.pth")


def test_a_restored_network_is_the_one_put_down() -> None:
    """Built without values, filled from a state dict, trainable."""
    network = build.build_network("scratch", 3, 0)
    restored = build.restored("scratch", 3, network.state_dict())

    assert weights_digest(restored.state_dict()) == weights_digest(network.state_dict())
    assert trains(restored, 32)


@pytest.mark.study
@pytest.mark.parametrize("name", ["squeezenet", "squeezenet-finetuned"])
def test_the_real_weights_fit(name: str, shared: Path) -> None:
    """The available weights load strictly into torchvision's own network."""
    network = build.build_network(name, 22, 0, shared / "weights" / "squeezenet1_0.pth")

    assert trains(network, 64)


@pytest.mark.study
def test_weights_of_another_version_are_refused(shared: Path) -> None:
    """SqueezeNet 1.1 is not 1.0: the first mismatch is named."""
    with pytest.raises(BadWeights, match=r"squeezenet1_1\.pth does not fit.*features\.0\.weight"):
        build.build_network("squeezenet", 22, 0, shared / "weights" / "squeezenet1_1.pth")
