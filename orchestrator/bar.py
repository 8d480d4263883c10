"""A progress bar on stderr for work that turns out to take longer than two seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

PATIENCE_S = 2.0


@contextlib.contextmanager
def when_long(
    title: str, unit: str = "files", patience_s: float = PATIENCE_S
) -> Iterator[Callable[[float, float], None]]:
    """Yields `tell(done, total)`; the bar appears after `patience_s` and only where stderr is a terminal."""
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        advance: list[Callable[[float, float], None]] = []

        def tell(done: float, total: float) -> None:
            if advance:
                advance[0](done, total)
            elif time.monotonic() - started > patience_s:
                advance.append(_show(stack, title, unit))

        yield tell


def _show(stack: contextlib.ExitStack, title: str, unit: str) -> Callable[[float, float], None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    row = progress.add_task(title, total=None)

    def advance(done: float, total: float) -> None:
        progress.update(row, completed=done, total=total)

    return advance
