"""Trainings that take their time without using the processor: a pause, or a gate, before epochs.

A test that disturbs a training needs one that lasts; many epochs cost a core for as long.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from models.training import train


def pace(pause_s: float, gate: str | None) -> None:
    """In this process and its forks, wait before each epoch; stops are heeded meanwhile.

    `gate` is a file that names the epoch up to which trainings may go on.
    """
    one_epoch = train._one_epoch

    def paced(training: Any, callbacks: Any) -> None:
        until = time.monotonic() + pause_s
        while time.monotonic() < until or (gate and training.epoch >= _open_until(Path(gate))):
            callbacks._stop_if_asked("a wait")
            time.sleep(0.02)
        one_epoch(training, callbacks)

    if pause_s or gate:
        train._one_epoch = paced


def _open_until(gate: Path) -> int:
    return int(gate.read_text() or 0)
