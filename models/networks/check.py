"""Check the networks of a run: that they exist, build, take their images, and find their weights.

`python -m models.networks.check` reads a request as JSON and prints the answer as JSON. Submitting
runs it in a short-lived process where torch is installed; otherwise the run's first task checks.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jobs import atomic
from jobs.catalog.backbones import CATALOG, find_backbone
from jobs.errors import BadSpec, BadWeights, OrchError, RequestError
from jobs.spec.networks import STUDY, Preparation
from models.networks import (
    costs,
    libraries,
    linear_probe,
    torchvision_networks,
    usable,
    weights,
)
from models.networks.build import build_network, pretrained_skeleton
from models.networks.libraries import Wanted

SIZES = tuple(range(32, 705, 32))
SHOWN_SIZES = 4


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """One network to check.

    `asked` is its preparation as far as the specification gives it. `weights` is an own file.
    `pretrained` networks begin with weights, which must be here if `local`. `finetune` is that of
    the recipe.
    """

    label: str
    asked: dict[str, Any]
    source: str | None = None
    weights: str | None = None
    pretrained: bool = False
    local: bool = True
    finetune: str = "full"

    def wanted(self, image_size: int) -> Wanted:
        """The network for images of this size."""
        return Wanted(self.label, image_size, Path(self.source) if self.source else None)


def check(request: NetworkRequest, classes: int, weights_dir: Path | None) -> dict[str, Any]:
    """The preparation and relative cost of a network; raises an `OrchError` if it cannot work."""
    path = _weights_file(request, weights_dir)
    if request.label in CATALOG:
        if path is not None:
            body = pretrained_skeleton(find_backbone(request.label))
            if body is not None:
                weights.read_weights(path, body)
        return {}
    asked = {key: value for key, value in request.asked.items() if value is not None}
    known = len(asked) == len(Preparation.model_fields)
    native = STUDY if known else _native(request, path)
    prepared = Preparation(**(native.model_dump() | asked))
    wanted = request.wanted(prepared.image_size)
    counted = _try_out(wanted, classes)
    if path is not None or request.finetune == "head":
        network = build_network(request.label, classes, 0, path, wanted.image_size, wanted.source)
        if request.finetune == "head":
            _try_head(wanted, network, classes)
    return prepared.model_dump(mode="json") | counted


def _try_head(wanted: Wanted, network: nn.Module, classes: int) -> None:
    """Raise `BadSpec` for a network whose last layer cannot be trained alone."""
    size = wanted.image_size
    values = linear_probe.head_values(wanted.label, network, classes, size, wanted.source)
    head = linear_probe.find_head(wanted.label, network, values)
    torch.manual_seed(0)
    linear_probe.require_head(wanted.label, head, network, torch.randn(2, 3, size, size))


def _weights_file(request: NetworkRequest, weights_dir: Path | None) -> Path | None:
    """The file that the network begins with; None for random values, or if not needed here."""
    if request.weights is not None:
        return Path(request.weights)
    if not request.pretrained or not request.local:
        return None
    if request.label in CATALOG and not find_backbone(request.label).has_pretrained:
        return None
    return weights.find_weights(request.label, weights_dir)


def _native(request: NetworkRequest, path: Path | None) -> Preparation:
    """What the weights ask for; a file of torchvision is recognised by its checksum."""
    wanted = request.wanted(STUDY.image_size)
    reference = wanted.reference
    if reference.library == "torchvision" and path is not None:
        digest = atomic.file_digest(path)
        for name, url in torchvision_networks.urls(reference.name).items():
            if digest.startswith(url.rpartition("-")[2].partition(".")[0]):
                return torchvision_networks.native(reference.name, name)
    return libraries.native(wanted)


def _try_out(wanted: Wanted, classes: int) -> dict[str, Any]:
    """Parameters, multiply-adds and relative cost of the network.

    Raises `BadSpec` unless it gives a score for each class, by which it can be trained.
    """
    try:
        network = libraries.skeleton(wanted, classes)
        if wanted.reference.library in ("file", "entry"):
            usable.require_values(wanted.label, network)
        usable.require_usable(wanted.label, network, wanted.image_size, classes)
        parameters = sum(value.numel() for value in network.parameters())
        cost = costs.of_image(network, wanted.image_size)
    except (OrchError, MemoryError):
        raise
    except Exception as error:  # the network's own code may raise anything
        raise BadSpec(_size_refused(wanted, error)) from error
    return {
        "parameters": parameters,
        "gmacs": round(cost.gmacs, 4),
        "relative_cost": cost.relative,
    }


def _size_refused(wanted: Wanted, error: Exception) -> str:
    """Why a network does not take its images, and sizes that it takes."""
    reason = " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
    taken = sizes_taken(wanted)
    if not taken or wanted.image_size in taken:
        return f"{wanted.label} cannot be used: {reason}."
    return (
        f"{wanted.label} does not take images of {wanted.image_size} px: {reason}. It takes, for "
        f"example, {', '.join(map(str, taken))}."
    )


def sizes_taken(wanted: Wanted) -> list[int]:
    """A few sizes near the wanted one that the network takes, its native one among them."""
    try:
        native = libraries.native(wanted).image_size
    except Exception:  # of the network's own code
        native = STUDY.image_size
    near = sorted(SIZES, key=lambda size: (abs(size - wanted.image_size), size))
    sizes: list[int] = []
    for size in dict.fromkeys((native, *near[:12])):
        try:
            tried = libraries.skeleton(Wanted(wanted.label, size, wanted.source), 2)
            with torch.no_grad():
                usable.forward(tried.train(), size, usable.IMAGES)
                usable.forward(tried.eval(), size, 1)
        except Exception:  # of the network's own code
            continue
        sizes.append(size)
        if len(sizes) == SHOWN_SIZES:
            break
    return sorted(sizes)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request: facts by label, and kinds and messages of errors by label."""
    directory = Path(request["weights_dir"]) if request["weights_dir"] else None
    facts: dict[str, Any] = {}
    refused: dict[str, dict[str, str]] = {}
    for values in request["networks"]:
        asked = NetworkRequest(**values)
        print(f"checking {asked.label}", file=sys.stderr, flush=True)  # if its code ends us
        try:
            facts[asked.label] = check(asked, request["classes"], directory)
        except OrchError as error:
            refused[asked.label] = refusal(error)
    return {"networks": facts, "refused": refused}


def refusal(error: OrchError) -> dict[str, str]:
    """Kind, message and failure class of an error, for the process that asked."""
    kind = type(error).__name__ if isinstance(error, RequestError) else "BadSpec"
    message = str(error)
    if isinstance(error, BadWeights):
        kind = "MissingWeights"
        message += " Or use random weights with --weights none."
    return {"kind": kind, "message": message, "failure": error.failure}


def main() -> None:
    """Answer the request on the standard input; what networks print goes to the error output."""
    output, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    print(json.dumps(answer(json.load(sys.stdin))), file=output, flush=True)


if __name__ == "__main__":
    main()
