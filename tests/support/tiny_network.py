"""A network of a few values that trains in no time, with batch norm and dropout."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from jobs.catalog.backbones import CATALOG, Backbone

ENTRY = Backbone(
    name="tiny",
    title="Tiny",
    summary="one convolution",
    min_image_size=8,
    relative_cost=1.0,
    own="support.tiny_network:Tiny",
)


class Tiny(nn.Module):
    """Images (n, 3, s, s) to scores (n, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=3), nn.BatchNorm2d(8), nn.ReLU())
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Class scores."""
        scores: Tensor = self.classifier(self.body(images).mean((2, 3)))
        return scores


def add(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add it to the catalog."""
    monkeypatch.setitem(CATALOG, ENTRY.name, ENTRY)
