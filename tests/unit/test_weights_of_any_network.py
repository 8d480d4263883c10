"""Weights files of networks outside the catalog: strict about names and shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("timm", reason="timm is not installed (extra 'timm')")

from jobs.errors import BadWeights  # noqa: E402
from models.networks import libraries  # noqa: E402
from models.networks.libraries import Wanted  # noqa: E402


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of ResNet18 with 7 classes, in half precision without counts of batches."""
    torch.manual_seed(3)
    state = torchvision.models.resnet18(num_classes=7).state_dict()
    kept = {key: value.half() for key, value in state.items() if "num_batches" not in key}
    torch.save(kept, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def renamed(state: dict[str, Any]) -> dict[str, Any]:
    """The values under other names."""
    return {f"body.{key}": value for key, value in state.items()}


def cut(state: dict[str, Any]) -> dict[str, Any]:
    """The values of a narrower layer."""
    return state | {"layer1.0.conv1.weight": state["layer1.0.conv1.weight"][:8]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renamed, "it lacks 'conv1.weight'"),
        (cut, "'layer1.0.conv1.weight' has shape [8, 64, 3, 3] instead of"),
        (lambda state: state | {"more": torch.ones(1)}, "it has 'more'"),
        (lambda state: {"state_dict": state}, "not a plain state dict"),
    ],
    ids=["renamed", "cut", "more", "nested"],
)
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_weights_that_do_not_fit_are_refused(
    library: str, change: Callable[[Any], Any], words: str, weights: Path
) -> None:
    """Names and shapes of all but the head are checked."""
    torch.save(change(torch.load(weights)), weights)
    with pytest.raises(BadWeights) as refusal:
        libraries.build(Wanted(f"{library}:resnet18", 32), 3, 0, weights)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda state: {f"module.{key}": value for key, value in state.items()},
            "save the state dict of the network inside, 'network.module.state_dict()'",
        ),
        (lambda state: {"epoch": 3, "model": state}, "Its entry 'model' is one"),
        (lambda state: {key: value.to(torch.int8) for key, value in state.items()}, "torch.int8"),
        (lambda state: {}, "it lacks 'conv1.weight'"),
    ],
    ids=["DataParallel", "checkpoint", "quantised", "empty"],
)
def test_a_weights_file_that_is_nearly_right_is_refused_with_what_to_save(
    change: Callable[[Any], Any], words: str, weights: Path
) -> None:
    """timm would copy integers as values, and download others in the place of none."""
    torch.save(change(torch.load(weights)), weights)
    with pytest.raises(BadWeights) as refusal:
        libraries.build(Wanted("timm:resnet18", 32), 3, 0, weights)

    assert words in str(refusal.value)


def test_counts_of_batches_may_have_any_type(weights: Path) -> None:
    """`{key: value.half()}` changes them too."""
    state = torchvision.models.resnet18(num_classes=7).state_dict()
    torch.save({key: value.half() for key, value in state.items()}, weights)
    network = libraries.build(Wanted("torchvision:resnet18", 32), 3, 0, weights)

    assert network.state_dict()["bn1.num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("timm:mobilenetv3_large_100", "torchvision:mobilenet_v2"),
        ("torchvision:efficientnet_b0", "timm:efficientnet_b0"),
        ("torchvision:vit_b_32", "torchvision:resnet18"),
    ],
)
def test_weights_of_another_library_are_refused_by_name(
    label: str, other: str, tmp_path: Path
) -> None:
    """The line says whose they are."""
    path = tmp_path / f"{other.partition(':')[2]}.pth"
    torch.save(libraries.make(Wanted(other, 32), 10).state_dict(), path)
    with pytest.raises(BadWeights, match=f"They are those of {other}"):
        libraries.build(Wanted(label, 224), 3, 0, path)


def test_the_grid_of_a_vit_is_resampled_for_another_size(tmp_path: Path) -> None:
    """Of torchvision and of timm; all but the grid stays as it was."""
    for library, name, key in (
        ("torchvision", "vit_b_32", "encoder.pos_embedding"),
        ("timm", "vit_tiny_patch16_224", "pos_embed"),
    ):
        label = f"{library}:{name}"
        state = libraries.make(Wanted(label, 224), 10).state_dict()
        torch.save(state, tmp_path / f"{name}.pth")
        found = libraries.build(Wanted(label, 96), 3, 0, tmp_path / f"{name}.pth").state_dict()
        changed = [
            each
            for each, value in state.items()
            if "head" not in each
            and (found[each].shape != value.shape or not torch.equal(found[each], value))
        ]

        assert changed == [key]
        assert found[key].shape[1] < state[key].shape[1]
