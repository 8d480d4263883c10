"""What an export has written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.export.parity import Parity


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported network: its folder, what it is, and how each format answers."""

    folder: Path
    trial: str
    epoch: int
    compared: dict[str, Parity]
