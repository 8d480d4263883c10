"""Convolutions of the catalog's networks by stage, to count multiply-adds at any image size."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple


class Stage(NamedTuple):
    """A window that changes the side of the features, and the convolutions after it.

    `macs` are the multiply-adds of those convolutions at each position, `ceil` rounds the new side
    up instead of down, as a pooling may.
    """

    kernel: int
    stride: int
    padding: int
    macs: int
    ceil: bool = False

    def side(self, before: int) -> int:
        """Side of the features after this stage's window."""
        free = before + 2 * self.padding - self.kernel
        steps = -(-free // self.stride) if self.ceil else free // self.stride
        return steps + 1


def last_side(stages: Iterable[Stage], image_size: int) -> int:
    """Side of the features after all stages."""
    side = image_size
    for stage in stages:
        side = stage.side(side)
    return side


def multiply_adds(stages: Iterable[Stage], image_size: int) -> int:
    """Multiply-adds of the convolutions of all stages for one image."""
    side, total = image_size, 0
    for stage in stages:
        side = stage.side(side)
        total += side**2 * stage.macs
    return total


def _plain(*channels: int) -> int:
    """Convolutions of 3 x 3, one after the other."""
    return sum(9 * a * b for a, b in pairwise(channels))


def _fire(inputs: int, squeezed: int, expanded: int) -> int:
    """A fire module: 1 x 1 to `squeezed`, then 1 x 1 and 3 x 3 to `expanded` each."""
    return squeezed * (inputs + 10 * expanded)


def _expand(inputs: int, inner: int) -> int:
    """The first convolution of an inverted residual, 1 x 1."""
    return inputs * inner


def _filter(kernel: int, inner: int, outputs: int) -> int:
    """The depthwise convolution of an inverted residual, and the 1 x 1 after it."""
    return inner * (kernel**2 + outputs)


def _residual(kernel: int, inputs: int, inner: int, outputs: int) -> int:
    """An inverted residual that keeps the side."""
    return _expand(inputs, inner) + _filter(kernel, inner, outputs)


SCRATCH = (
    Stage(1, 1, 0, _plain(3, 16)),
    Stage(2, 2, 0, _plain(16, 32)),
    Stage(2, 2, 0, _plain(32, 64)),
    Stage(2, 2, 0, _plain(64, 128)),
    Stage(2, 2, 0, _plain(128, 256)),
)
ALEXNET = (
    Stage(11, 4, 2, 11 * 11 * 3 * 64),
    Stage(3, 2, 0, 5 * 5 * 64 * 192),
    Stage(3, 2, 0, _plain(192, 384, 256, 256)),
)
MOBILENET_V3 = (
    Stage(3, 2, 1, 27 * 16 + _filter(3, 16, 16) + _expand(16, 64)),
    Stage(3, 2, 1, _filter(3, 64, 24) + _residual(3, 24, 72, 24) + _expand(24, 72)),
    Stage(5, 2, 2, _filter(5, 72, 40) + 2 * _residual(5, 40, 120, 40) + _expand(40, 240)),
    Stage(
        3,
        2,
        1,
        _filter(3, 240, 80)
        + _residual(3, 80, 200, 80)
        + 2 * _residual(3, 80, 184, 80)
        + _residual(3, 80, 480, 112)
        + _residual(3, 112, 672, 112)
        + _expand(112, 672),
    ),
    Stage(5, 2, 2, _filter(5, 672, 160) + 2 * _residual(5, 160, 960, 160) + 160 * 960),
)
SQUEEZENET = (
    Stage(7, 2, 0, 7 * 7 * 3 * 96),
    Stage(3, 2, 0, _fire(96, 16, 64) + _fire(128, 16, 64) + _fire(128, 32, 128), ceil=True),
    Stage(
        3,
        2,
        0,
        _fire(256, 32, 128) + _fire(256, 48, 192) + _fire(384, 48, 192) + _fire(384, 64, 256),
        ceil=True,
    ),
    Stage(3, 2, 0, _fire(512, 64, 256), ceil=True),
)
VGG16 = (
    Stage(1, 1, 0, _plain(3, 64, 64)),
    Stage(2, 2, 0, _plain(64, 128, 128)),
    Stage(2, 2, 0, _plain(128, 256, 256, 256)),
    Stage(2, 2, 0, _plain(256, 512, 512, 512)),
    Stage(2, 2, 0, _plain(512, 512, 512, 512)),
)
RESNET34 = (
    Stage(7, 2, 3, 7 * 7 * 3 * 64),
    Stage(3, 2, 1, 6 * _plain(64, 64)),
    Stage(3, 2, 1, _plain(64, 128) + 7 * _plain(128, 128) + 64 * 128),
    Stage(3, 2, 1, _plain(128, 256) + 11 * _plain(256, 256) + 128 * 256),
    Stage(3, 2, 1, _plain(256, 512) + 5 * _plain(512, 512) + 256 * 512),
)
