"""Writing that goes on beside a training, one piece at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

log = logging.getLogger(__name__)


class AsyncWriter:
    """A thread that writes. What goes wrong in it is raised by the next call, whichever it is.

    Leaving its block waits for what is being written; an error that the block ends with goes before one in writing.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def begin(self, write: Callable[[], None]) -> None:
        """Have `write` called in the thread, after the piece before it is written."""
        self.wait()
        self._writing = self._thread.submit(write)

    def free(self) -> bool:
        """Whether nothing is being written."""
        if self._writing is not None and not self._writing.done():
            return False
        self.wait()
        return True

    def wait(self) -> None:
        """Return once nothing is being written."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> AsyncWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            self.wait()
        except Exception as lost:
            if error is None:
                raise
            log.warning("The last checkpoint could not be written: %s", lost)
        finally:
            self._thread.shutdown()
