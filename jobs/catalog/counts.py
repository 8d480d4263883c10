"""Parameters and multiply-adds of a network, for any number of classes and image size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from jobs.catalog.backbones import PUBLISHED_SIZE


class Grid(NamedTuple):
    """Layers whose output has the same side: (image size + `offset`) // `stride`.

    `macs` are their multiply-adds at each position, `class_macs` those that each class adds.
    """

    stride: int
    offset: int
    macs: int
    class_macs: int = 0

    def positions(self, image_size: int) -> int:
        """Number of positions of the output for images of this side in pixels."""
        side: int = (image_size + self.offset) // self.stride
        return side**2


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one backbone, made by `models.networks.counting` on torch's meta device.

    `of` is what was counted (see `Backbone.architecture`). `parameters` are those of all layers but
    the head, `class_parameters` those that each class adds. `pretrained` are the parameters of the
    network that ImageNet weights are for.

    Multiply-adds are those of convolutions and linear layers for one image: `macs` and
    `class_macs` at `PUBLISHED_SIZE`. `grids` are the layers that depend on the image size; None if
    the network's sides follow no such rule, so that other sizes are unknown.
    """

    of: str
    parameters: int
    class_parameters: int
    pretrained: int | None
    macs: int
    class_macs: int
    grids: tuple[Grid, ...] | None

    def total_parameters(self, classes: int) -> int:
        """Trainable parameters of body and head."""
        return self.parameters + self.class_parameters * classes

    def multiply_adds(self, classes: int, image_size: int) -> int | None:
        """Multiply-adds of one forward pass; None if unknown for this image size."""
        total = self.macs + self.class_macs * classes
        if image_size == PUBLISHED_SIZE:
            return total
        if self.grids is None:
            return None
        for grid in self.grids:
            each = grid.macs + grid.class_macs * classes
            total += each * (grid.positions(image_size) - grid.positions(PUBLISHED_SIZE))
        return total

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Counts:
        """The inverse of `as_dict`."""
        grids = values["grids"]
        return cls(**{**values, "grids": None if grids is None else tuple(Grid(*g) for g in grids)})
