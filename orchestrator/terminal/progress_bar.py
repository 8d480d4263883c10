"""Progress on stderr: a status line, and a bar for what takes longer than two seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

PATIENCE_S = 2.0


@contextlib.contextmanager
def progress_when_slow(
    title: str,
    unit: str = "files",
    patience_s: float = PATIENCE_S,
    before: Callable[[], None] = lambda: None,
) -> Iterator[Callable[[float, float], None]]:
    """Yield `tell(done, total)`; the bar appears after `patience_s`, and only on a terminal.

    `before` is called when it appears.
    """
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        advance: list[Callable[[float, float], None]] = []

        def tell(done: float, total: float) -> None:
            if advance:
                advance[0](done, total)
            elif time.monotonic() - started > patience_s:
                before()
                advance.append(_show(stack, title, unit))

        yield tell


@contextlib.contextmanager
def status_line(
    title: str, quiet: bool = False, out: TextIO | None = None
) -> Iterator[Callable[[str], None]]:
    """Show a status line until the block ends; only on a terminal (stderr) and unless `quiet`.

    Yields `say(title)`, which changes the line; an empty title removes it.
    """
    stream = out or sys.stderr

    def say(line: str) -> None:
        if stream.isatty() and not quiet:
            stream.write(f"\r\x1b[K{line} ..." if line else "\r\x1b[K")
            stream.flush()

    say(title)
    try:
        yield say
    finally:
        say("")


def _show(stack: contextlib.ExitStack, title: str, unit: str) -> Callable[[float, float], None]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)  # elsewhere than on a terminal rich would print an empty line
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    progress = stack.enter_context(bar)
    row = progress.add_task(title, total=None)

    def advance(done: float, total: float) -> None:
        progress.update(row, completed=done, total=total)

    return advance
