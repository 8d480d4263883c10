"""A network of your own for orch: one function that takes the number of classes.

orch submit examples/own_network.yaml --wait && orch report
"""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """Two convolutions beside a shortcut; halves the side of the image."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (n, channels_out, side / 2, side / 2)."""
        return torch.relu(self.body(images) + self.shortcut(images))


def make(num_classes: int) -> nn.Module:
    """Scores (n, num_classes) of images (n, 3, side, side)."""
    network = nn.Sequential(
        Residual(3, 16),
        Residual(16, 32),
        Residual(32, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(64, num_classes),
    )
    # How its images are prepared, as timm's networks say it; without it as for the catalog.
    network.pretrained_cfg = {
        "input_size": (3, 32, 32),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
    }
    return network
