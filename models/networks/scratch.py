"""The study's own network: five convolutions, three hidden linear layers."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 64, 128, 256)


class Scratch(nn.Module):
    """Images (n, 3, s, s), s at least 32, to class scores (n, classes).

    ReLU follows every convolution and every linear layer but the last. It is called, not
    registered, to match the study's layer table. The last pooling is the identity at 224 pixels.
    """

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        inputs = (3, *CHANNELS[:-1])
        blocks = zip(inputs, CHANNELS, strict=True)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "convolution": nn.Conv2d(before, after, 3, padding=1),
                    "pool": nn.MaxPool2d(2),
                    "norm": nn.BatchNorm2d(after),
                }
            )
            for before, after in blocks
        )
        self.hidden = nn.ModuleList(
            [nn.Linear(256 * 7 * 7, 512), nn.Linear(512, 256), nn.Linear(256, 128)]
        )
        self.average: Callable[[Tensor], Tensor] = functools.partial(
            functional.adaptive_avg_pool2d, output_size=7
        )
        self.dropout_first = nn.Dropout(dropout)
        self.dropout_last = nn.Dropout(dropout)
        self.head = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores before softmax."""
        x = images
        for block in self.blocks:
            x = block["norm"](block["pool"](functional.relu(block["convolution"](x))))  # type: ignore[index]
        x = self.dropout_first(self.average(x).flatten(1))
        for linear in self.hidden:
            x = functional.relu(linear(x))
        scores: Tensor = self.head(self.dropout_last(x))
        return scores
