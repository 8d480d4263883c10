"""Count parameters and multiply-adds of the catalog's networks on torch's meta device.

`python -m models.networks.counting` writes `jobs/catalog/backbone_counts.py` (`make catalog`). With
`--entry JSON` it prints the counts of one entry of the catalog, as JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor, nn

from jobs.catalog import backbone_counts
from jobs.catalog.backbones import CATALOG, PUBLISHED_SIZE, Backbone
from jobs.catalog.counts import Counts, Grid
from models.networks.build import pretrained_skeleton, skeleton_of

FEW, MANY = 2, 3
"""Numbers of classes that are compared to find what each class adds."""
CONTIGUOUS = range(PUBLISHED_SIZE, PUBLISHED_SIZE + 33)
"""Sizes at which sides are followed, pixel by pixel; enough for strides up to 32."""
LARGE = (511, 512, 777, 2048)
"""Further sizes at which a rule for the sides must hold."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution or linear layer that was run: positions, and multiply-adds at each."""

    positions: int
    macs: int


def count(entry: Backbone) -> Counts:
    """The counts of an entry; raises what torch or torchvision raise for one that cannot work."""
    few, many = (skeleton_of(entry, classes) for classes in (FEW, MANY))
    each_class = _parameters(many) - _parameters(few)
    parameters = _parameters(few) - FEW * each_class
    layers = run_layers(few, PUBLISHED_SIZE, FEW)
    layers_of_many = run_layers(many, PUBLISHED_SIZE, MANY)
    class_macs = [b.macs - a.macs for a, b in zip(layers, layers_of_many, strict=True)]
    body_macs = [layer.macs - FEW * each for layer, each in zip(layers, class_macs, strict=True)]
    source = pretrained_skeleton(entry)
    return Counts(
        of=entry.architecture,
        parameters=parameters,
        class_parameters=each_class,
        pretrained=None if source is None else _parameters(source),
        macs=sum(m * layer.positions for m, layer in zip(body_macs, layers, strict=True)),
        class_macs=sum(m * layer.positions for m, layer in zip(class_macs, layers, strict=True)),
        grids=_grids(_positions(few, entry), body_macs, class_macs),
    )


def run_layers(network: nn.Module, image_size: int, classes: int) -> list[Layer]:
    """The convolutions and linear layers that one image passes, in order; a repeated one repeats.

    Raises `TypeError` for a network that does not give a score for each class.
    """
    layers: list[Layer] = []

    def see(layer: nn.Module, _: object, output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            kernel = layer.kernel_size[0] * layer.kernel_size[1]
            each = layer.in_channels // layer.groups * kernel
            channels = layer.out_channels
        else:
            assert isinstance(layer, nn.Linear)
            each, channels = layer.in_features, layer.out_features
        layers.append(Layer(output.numel() // channels, each * channels))

    hooks = [
        layer.register_forward_hook(see)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.inference_mode():
        output = network.eval()(torch.empty(1, 3, image_size, image_size, device="meta"))
    for hook in hooks:
        hook.remove()
    if not isinstance(output, Tensor) or output.numel() != classes:
        raise TypeError(f"{type(network).__name__} does not give one score for each class")
    return layers


def find_grid(sides: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Stride and offset of the rule side = (size + offset) // stride; None if there is none.

    `sides` are pairs of image size and side. A side that never changes has stride 0.
    """
    if len({side for _, side in sides}) == 1:
        return 0, 0
    rules = []
    for stride in range(1, len(CONTIGUOUS)):
        least = max(side * stride - size for size, side in sides)
        most = min((side + 1) * stride - 1 - size for size, side in sides)
        rules += [(stride, offset) for offset in range(least, most + 1)]
    return rules[0] if len(rules) == 1 else None


def _positions(network: nn.Module, entry: Backbone) -> list[list[tuple[int, int]]] | None:
    """Image size and number of positions, for each layer; None if only one size works."""
    positions: list[list[tuple[int, int]]] = []
    for size in (*CONTIGUOUS, entry.min_image_size, entry.min_image_size + 1, *LARGE):
        try:
            layers = run_layers(network, size, FEW)
        except (RuntimeError, AssertionError):
            return None
        positions.append([(size, layer.positions) for layer in layers])
    return [list(layer) for layer in zip(*positions, strict=True)]


def _grids(
    positions: list[list[tuple[int, int]]] | None, macs: list[int], class_macs: list[int]
) -> tuple[Grid, ...] | None:
    """Layers that depend on the image size, added up by their rule."""
    if positions is None:
        return None
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for places, each, each_class in zip(positions, macs, class_macs, strict=True):
        if any(isqrt(count) ** 2 != count for _, count in places):
            return None
        rule = find_grid([(size, isqrt(count)) for size, count in places])
        if rule is None:
            return None
        if rule[0]:
            before = sums.get(rule, (0, 0))
            sums[rule] = (before[0] + each, before[1] + each_class)
    return tuple(Grid(*rule, *sums[rule]) for rule in sorted(sums))


def _parameters(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def source(counts: dict[str, Counts]) -> str:
    """The text of `jobs/catalog/backbone_counts.py`."""
    lines = [
        '"""Counts of the catalog\'s networks. Generated by `make catalog`; not edited by hand."""',
        "",
        "from jobs.catalog.counts import Counts, Grid",
        "",
        "COUNTS: dict[str, Counts] = {",
    ]
    for name, each in counts.items():
        lines += [f'    "{name}": Counts(']
        for key, value in each.as_dict().items():
            if key == "grids" and value:
                lines += ["        grids=("]
                lines += [f"            Grid({', '.join(f'{n:_}' for n in g)})," for g in value]
                lines += ["        ),"]
            else:
                shown = f'"{value}"' if isinstance(value, str) else value
                lines += [f"        {key}={f'{shown:_}' if isinstance(shown, int) else shown},"]
        lines += ["    ),"]
    return "\n".join([*lines, "}", ""])


def main() -> None:
    """Write the generated file, or print the counts of one entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entry", help="an entry of the catalog as JSON")
    given = parser.parse_args().entry
    if given is not None:
        print(json.dumps(count(Backbone(**json.loads(given))).as_dict()))
        return
    place = Path(str(backbone_counts.__file__))
    place.write_text(source({name: count(entry) for name, entry in CATALOG.items()}))
    print(f"counted {len(CATALOG)} networks into {place}")


if __name__ == "__main__":
    main()
