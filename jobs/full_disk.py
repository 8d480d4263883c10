"""A disk that is full or read-only: said in one way, and waited for (`StorageFull`)."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from jobs import permissions
from jobs.errors import StorageFull

NO_WRITES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Convert "no space" and "read-only" errors in the block to `StorageFull`, naming the path.

    "Permission denied" becomes `AccessDenied`.
    """
    try:
        with permissions.access_errors(path):
            yield
    except Exception as error:
        cause = _of_full_storage(error)
        if cause is None:
            raise
        remedy = "Make it writable" if cause.errno == errno.EROFS else "Free some space there"
        raise StorageFull(
            f"cannot write {path}: {cause.strerror}. {remedy}; workers then continue."
        ) from error


def _of_full_storage(error: BaseException | None) -> OSError | None:
    """The "no space" or "read-only" error in the cause chain of an error, or None."""
    while error is not None:
        if isinstance(error, StorageFull):
            return None
        if isinstance(error, OSError) and error.errno in NO_WRITES:
            return error
        error = error.__cause__ or error.__context__
    return None
