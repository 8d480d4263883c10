"""Build a network from outside the catalog, with its head, its weights and its image size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from jobs.catalog.reference import Reference, parse
from jobs.errors import BadWeights, OrchError
from jobs.spec.networks import Preparation
from models.networks import own_networks, timm_networks, torchvision_networks
from models.networks.catalog_heads import small_values
from models.networks.state import OPTIONAL, first_mismatch, read_state
from models.runtime.rng import derive_seed

FEW, MANY = 2, 3
"""Numbers of classes that are compared to find the head."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A network to build: its label, the side of its images in pixels, an own file."""

    label: str
    image_size: int
    source: Path | None = None

    @property
    def reference(self) -> Reference:
        """The parsed label."""
        return parse(self.label)


def make(wanted: Wanted, classes: int) -> nn.Module:
    """The network with the values that its library gives it; raises `UnknownBackbone`."""
    reference = wanted.reference
    if reference.library == "torchvision":
        return torchvision_networks.make(reference.name, classes, wanted.image_size)
    if reference.library == "timm":
        return timm_networks.make(reference.name, classes, wanted.image_size)
    if reference.library == "entry":
        return own_networks.from_entry_point(reference.name, classes)
    path = wanted.source or Path(str(reference.path))
    return own_networks.from_file(path, reference.name, wanted.label, classes)


def native(wanted: Wanted) -> Preparation:
    """How the network's own weights want images to be prepared."""
    reference = wanted.reference
    if reference.library == "torchvision":
        return torchvision_networks.native(reference.name)
    if reference.library == "timm":
        return timm_networks.native(reference.name)
    return own_networks.native(make(wanted, FEW), wanted.label)


def build(wanted: Wanted, classes: int, seed: int, weights: Path | None) -> nn.Module:
    """The network in float32 on the CPU; random values come from (seed, label) alone.

    With `weights` all values but the head's are those of the file. The head's then come from the
    seed alone, so that equal networks of two libraries begin equal.
    """
    torch.manual_seed(derive_seed("init", seed, wanted.label))
    network = make(wanted, classes)
    if weights is None:
        return network
    head = head_of(wanted, network, classes)
    network.load_state_dict(fitting_values(wanted, network, head, weights), strict=False)
    torch.manual_seed(derive_seed("head", seed))
    for name, layer in network.named_modules():
        if any(f"{name}.{own}" in head for own, _ in layer.named_parameters(recurse=False)):
            _begin_head(layer)
    return network


def skeleton(wanted: Wanted, classes: int) -> nn.Module:
    """The network without values where it can be built so, else with random ones.

    An own function may do anything, so its network is always built with values.
    """
    if wanted.reference.library in ("file", "entry"):
        return make(wanted, classes)
    for without_values in (torch.device("meta"), ParametersOnMeta()):
        try:
            with without_values:
                return make(wanted, classes)
        except (NotImplementedError, RuntimeError):
            continue
    return make(wanted, classes)


class ParametersOnMeta(TorchFunctionMode):
    """Make parameters on the meta device, but compute with tensors, as RegNet's widths are."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones) and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def class_dependent(network: nn.Module, other: nn.Module) -> frozenset[str]:
    """The names of the values whose shapes differ in `other`, built for other classes."""
    shapes = {name: value.shape for name, value in other.state_dict().items()}
    values = network.state_dict().items()
    return frozenset(name for name, value in values if shapes.get(name) != value.shape)


def head_of(wanted: Wanted, network: nn.Module, classes: int) -> frozenset[str]:
    """The names of the values of its head: those whose shapes follow the number of classes."""
    return class_dependent(network, skeleton(wanted, MANY if classes == FEW else FEW))


def fitting_values(
    wanted: Wanted, network: nn.Module, head: frozenset[str], weights: Path
) -> dict[str, Tensor]:
    """The values in a file for everything but the head; raises `BadWeights` unless they fit.

    Values for auxiliary outputs, which are not built, are left out.
    """
    reference = wanted.reference
    state = read_state(weights)
    expected = {name: value for name, value in network.state_dict().items() if name not in head}
    values = state
    if reference.library == "torchvision":
        auxiliary = torchvision_networks.auxiliary_of(reference.name)
        if auxiliary:
            values = {key: value for key, value in state.items() if not key.startswith(auxiliary)}
        values = torchvision_networks.adapted(network, values)
    body = {name: value for name, value in values.items() if name not in head}
    mismatch = first_mismatch(body, expected)
    if mismatch and reference.library == "timm" and _same_kinds(state, expected):
        try:
            body = timm_networks.adapted(reference.name, wanted.image_size, state, head)
        except (ImportError, MemoryError):  # of this environment
            raise
        except Exception:  # timm refuses values in many ways
            pass
        else:
            mismatch = first_mismatch(body, expected)
    if mismatch:
        other = _owner(wanted, state, weights.stem)
        hint = f" They are those of {other}." if other else ""
        raise BadWeights(f"{weights} holds no weights of {wanted.label}: {mismatch}.{hint}")
    return body


def _same_kinds(state: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Whether there are values, of the same kind where names are the same.

    timm would copy integers, and download others in the place of none.
    """
    return bool(state) and all(
        state[name].is_floating_point() == value.is_floating_point()
        for name, value in expected.items()
        if name in state
    )


def _owner(wanted: Wanted, state: dict[str, Tensor], stem: str) -> str | None:
    """The network whose values these are: of the same name elsewhere, or of the file's name."""
    name = wanted.reference.name.partition(".")[0]
    for each in dict.fromkeys((name, name.removeprefix("tf_"), f"tf_{name}", stem)):
        for library in ("torchvision", "timm"):
            other = Wanted(f"{library}:{each}", wanted.image_size)
            if other.label != wanted.label and _has_names_of(other, state):
                return other.label
    return None


def _has_names_of(other: Wanted, state: dict[str, Tensor]) -> bool:
    try:
        network = skeleton(other, FEW)
        head = head_of(other, network, FEW)
    except (OrchError, ValueError, RuntimeError):
        return False
    names = (name for name in network.state_dict() if not name.endswith(OPTIONAL))
    return all(name in state for name in names if name not in head)


def _begin_head(layer: nn.Module) -> None:
    """Fresh values of a head: torch's own for a linear layer, the study's small ones for others."""
    if isinstance(layer, nn.Linear):
        layer.reset_parameters()
    elif isinstance(layer, nn.Conv2d):
        small_values(layer)
