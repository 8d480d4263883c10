"""A background thread that runs one function at a time, such as writing a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

log = logging.getLogger(__name__)


class BackgroundThread:
    """A background thread. An error of its function is raised by the next call of any method.

    Leaving the block waits for the running function. An error that ended the block has precedence.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def begin(self, write: Callable[[], None]) -> None:
        """Run `write` in the thread, after the previous call has ended."""
        self.wait()
        self._writing = self._thread.submit(write)

    def free(self) -> bool:
        """Whether nothing is running."""
        if self._writing is not None and not self._writing.done():
            return False
        self.wait()
        return True

    def wait(self) -> None:
        """Wait until nothing is running."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> BackgroundThread:
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
            log.warning("cannot write the last checkpoint: %s", lost)
        finally:
            self._thread.shutdown()
