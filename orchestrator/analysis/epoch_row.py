"""The row of an epoch of a trial, as learning curves show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One row of a learning curve; `period` is numbered as in the run.

    `more` are further metrics of the validation images, where they are recorded.
    """

    trial: str
    backbone: str
    seed: int
    period: int
    epoch: int
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float | None
    seconds: float | None
    images_per_second: float | None
    more: Mapping[str, float | None] = field(default_factory=dict)

    def value(self, column: str) -> float | None:
        """The value of a column, also of one of `more`."""
        own: float | None = getattr(self, column, None)
        return self.more.get(column, own)

    def columns(self) -> dict[str, Any]:
        """All columns by name."""
        own = {name: getattr(self, name) for name in EpochRow.__slots__ if name != "more"}
        return own | dict(self.more)


MEASURES = EpochRow.__slots__[5:-1]
"""What every row of `epochs` has."""
