"""Images that were submitted elsewhere and that this machine, or the worker's user, cannot see."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Collection
from pathlib import Path

from jobs.errors import DataOutOfReach
from jobs.permissions import user_name


def require_within_reach(folder: Path, unread: Collection[str], files: int) -> None:
    """Raise `DataOutOfReach` if an `unread` file may not be read, or none of all `files` is there.

    Where only some are missing, they were removed: that is a change.
    """
    for path in (folder / name for name in unread):
        try:
            path.open("rb").close()
        except PermissionError:
            raise _forbidden(folder, path) from None
        except OSError:
            continue
    if len(unread) == files and not any(os.path.lexists(folder / name) for name in unread):
        state = f"holds none of its {files:,} images" if folder.is_dir() else "does not exist"
        raise DataOutOfReach(
            f"{folder} {state} on {socket.gethostname()}. Every machine with workers must see "
            "the images at this path: mount or copy them there, then: orch retry RUN"
        )


def _forbidden(folder: Path, path: Path) -> DataOutOfReach:
    """The error for a file that the worker's user may not read: which folder stops it."""
    closed = next((each for each in reversed(path.parents) if not os.access(each, os.X_OK)), path)
    around = folder.is_relative_to(closed) and closed != folder
    command = f"chmod a+x {_quoted(closed)}" if around else f"chmod -R a+rX {_quoted(folder)}"
    status = os.stat(closed)
    return DataOutOfReach(
        f"workers on {socket.gethostname()} run as {user_name(os.geteuid())}, who may not read "
        f"{closed} (of {user_name(status.st_uid)}, mode {status.st_mode & 0o7777:04o}). "
        f"Type: {command}, or submit images of a folder that all may read; then: orch retry RUN"
    )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
