"""SIGTERM ends a command with a line and exit code 143, from its start on.

Imports nothing slow: every command does this first.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Ended(KeyboardInterrupt):
    """Ctrl-C, or a signal that asks the command to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def catch() -> None:
    """SIGTERM raises `Ended` from now on, unless it is ignored."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def leave() -> None:
    """SIGTERM ends the process at once, until a handler is set.

    For services: a worker forks, and systemd takes exit code 143 for a failure.
    """
    if uncaught(signal.SIGTERM):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def uncaught(number: int) -> bool:
    """Whether a signal has no handler but that of `catch`; an ignored one has."""
    return signal.getsignal(number) in (signal.SIG_DFL, _end)


def of(error: BaseException) -> int:
    """The signal that an interrupt is from; click may have put another error over it."""
    cause = error if isinstance(error, Ended) else error.__cause__
    return cause.number if isinstance(cause, Ended) else signal.SIGINT


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise Ended(number)
