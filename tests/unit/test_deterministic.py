"""Deterministic operations: torch's flags are set, and pooling gives the same values. No GPU is
used here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from torch import nn  # noqa: E402

from jobs.catalog.backbones import CATALOG  # noqa: E402
from jobs.spec.model import Recipe, build  # noqa: E402
from jobs.task import Trial  # noqa: E402
from models.networks.build import build_network  # noqa: E402
from models.networks.deterministic import AveragePool, replace_pools  # noqa: E402
from models.runtime import device  # noqa: E402
from models.training.learner import Learner  # noqa: E402
from workers.devices.discovery import Device  # noqa: E402


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Restores torch's settings."""
    yield
    torch.use_deterministic_algorithms(False)


def test_a_gpu_is_told_to_repeat_itself_where_that_is_asked_for() -> None:
    """Every flag that torch's page on reproducibility names, and the worker's environment for
    cuBLAS.
    """
    device.pick("cuda", deterministic=True)
    asked = torch.are_deterministic_algorithms_enabled()
    device.pick("cuda")

    assert asked
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert Device("cuda", "cuda:0", "0", 1).environment()["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_processor_computes_as_ever() -> None:
    """Neither flags nor layers change, so results do not either."""
    where = device.pick("cpu", deterministic=True)
    asked = Learner.of(build_network("alexnet", 2, 0), Recipe(deterministic=True), 0, where, "fp32")

    assert not torch.are_deterministic_algorithms_enabled()
    assert not any(isinstance(module, AveragePool) for module in asked.network.modules())


@pytest.mark.parametrize("given", [(6, 6), (13, 13), (7, 3), (1, 5), (2, 1)])
@pytest.mark.parametrize("wanted", [(6, 6), (7, 7), (2, 3)])
def test_pooling_by_matrices_is_adaptive_pooling(
    given: tuple[int, int], wanted: tuple[int, int]
) -> None:
    """Values and gradients, for sizes that divide and that do not, larger and smaller."""
    rng = torch.Generator().manual_seed(0)
    one = torch.randn(3, 4, *given, generator=rng, requires_grad=True)
    two = one.detach().clone().requires_grad_()
    pull = torch.randn(3, 4, *wanted, generator=rng)
    ours, theirs = AveragePool(*wanted)(one), nn.AdaptiveAvgPool2d(wanted)(two)
    (ours * pull).sum().backward()
    (theirs * pull).sum().backward()

    assert torch.allclose(ours, theirs, atol=1e-6)
    assert torch.allclose(one.grad, two.grad, atol=1e-6)


@pytest.mark.parametrize("name", list(CATALOG))
def test_no_backbone_keeps_a_layer_that_torch_would_refuse(name: str) -> None:
    """Adaptive pooling to one value is a mean, which is deterministic; the state dict is the
    same.
    """
    network = build_network(name, 2, 0)
    names = list(network.state_dict())
    replaced = replace_pools(network)
    left = [
        module.output_size
        for module in replaced.modules()
        if isinstance(module, nn.AdaptiveAvgPool2d)
    ]
    done = {
        operation
        for size in (64, 224)
        for operation in operations(replaced(torch.rand(2, 3, size, size)))
    }

    assert set(left) <= {1, (1, 1)}
    assert list(replaced.state_dict()) == names
    assert not any("AdaptiveAvgPool" in operation for operation in done), done
    assert any("Convolution" in operation for operation in done)


def operations(scores: torch.Tensor) -> set[str]:
    """The backward operations that lead to some scores, whether a module or a function
    called them.
    """
    found, left = set[str](), [scores.grad_fn]
    seen = set[object]()
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found.add(node.name())
            left += [after for after, _ in node.next_functions]
    return found


def test_asking_for_it_makes_another_trial_and_not_asking_changes_no_name() -> None:
    """Trials named before this option existed keep their names."""
    plain, asked = (
        Trial("d", "alexnet", "none", Recipe(deterministic=wanted), 0) for wanted in (False, True)
    )

    assert "deterministic" not in plain.as_dict()["recipe"]
    assert plain.name != asked.name
    assert Trial.from_dict(asked.as_dict()) == asked
    assert Trial.from_dict(plain.as_dict()) == plain
    assert build({"backbones": "all", "deterministic": True}).recipe().deterministic
