"""Lines on progress in the log of an attempt: one for each phase of each epoch."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

STDERR = 2


class ProgressLog:
    """Writes a line when a phase ends, with the last report of it; never raises."""

    def __init__(self, file: int = STDERR) -> None:
        self.file = file
        self.last: dict[str, Any] = {}

    def note(self, message: dict[str, Any]) -> None:
        """Take a report; if it begins another phase, write what the one before came to."""
        if "phase" not in message:
            return
        if _phase(message) != _phase(self.last):
            self.end_phase()
        self.last = message

    def end_phase(self) -> None:
        """Write what the current phase came to, if there is one."""
        if self.last:
            self.write(_line(self.last))
        self.last = {}

    def write(self, text: str) -> None:
        """Write a line with the time; a full disk must not end the task."""
        with contextlib.suppress(OSError):
            line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n"
            os.write(self.file, line.encode(errors="replace"))


def _phase(message: dict[str, Any]) -> tuple[Any, Any]:
    return message.get("phase"), message.get("epoch")


def _line(message: dict[str, Any]) -> str:
    """A report in words: `epoch 2/10 train: 1437 of 1437, loss 2.105, 160 images/s`."""
    of = f"/{message['epochs']}" if "epochs" in message else ""
    epoch = f"epoch {message['epoch']}{of} " if "epoch" in message else ""
    parts = [
        f"{message['done']} of {message['total']}" if message.get("total") else "",
        _number(message, "loss", "loss {:.3f}"),
        _number(message, "val_accuracy", "validation accuracy {:.1%}"),
        _number(message, "images_per_second", "{:.0f} images/s"),
    ]
    said = ", ".join(filter(None, parts))
    return f"{epoch}{message['phase']}{f': {said}' if said else ''}"


def _number(message: dict[str, Any], key: str, shape: str) -> str:
    value = message.get(key)
    return shape.format(value) if isinstance(value, int | float) else ""
