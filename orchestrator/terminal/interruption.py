"""Ctrl-C, SIGTERM and SIGHUP while a command waits: print how to go on, and exit.

The exit code is 128 and the number of the signal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import termios
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import click

from jobs import exit_codes
from jobs.settings import Settings
from orchestrator.terminal import signals
from orchestrator.terminal.options import call

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Meanwhile SIGTERM and SIGHUP raise `signals.Ended`; ignored ones (`nohup`) stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING if signals.uncaught(number)}
    for number in before:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ends_with(settings: Settings, words: str) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the command with these words, and how to stop the workers.

    The exit code is 128 and the signal's number: 130 after Ctrl-C.
    """
    with _signals_interrupt():
        try:
            yield
        except KeyboardInterrupt as interrupt:
            click.echo(words + _stopping_workers(settings), err=True)
            code = exit_codes.SIGNALLED + signals.of(interrupt)
            raise click.exceptions.Exit(code) from None


def _stopping_workers(settings: Settings) -> str:
    """How to stop the workers that orch has started on this machine; nothing where it has none."""
    from orchestrator.local import stack

    if not stack.look(settings).workers:
        return ""
    return f". Stop this machine's workers with: {call(settings, 'down')}"


def _end(number: int, frame: FrameType | None) -> NoReturn:
    _detach_closed_terminals()
    raise signals.Ended(number)


def _detach_closed_terminals() -> None:
    """What is written from now on to a terminal that was closed goes nowhere, without an error."""
    for descriptor in (1, 2):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
