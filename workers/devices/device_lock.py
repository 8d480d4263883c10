"""One worker for each GPU of a machine, whoever its users are: a lock held while a file is open.

The files lie in /dev/shm, which services with a /tmp of their own share. A file of another user is
locked as well: for that it need not be written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import IO

SHARED_MEMORY = Path("/dev/shm")
NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC


def take(visible: str) -> IO[str] | None:
    """The lock on a GPU (index or UUID); None if another worker has it."""
    handle = _opened(_path(_same_name(visible)))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle


def _opened(path: Path) -> IO[str]:
    """The file of a lock, created if needed; a link is never followed.

    It is opened for reading alone: the kernel refuses to open another's file in a shared folder
    for writing with O_CREAT.
    """
    with contextlib.suppress(FileNotFoundError):
        return open(os.open(path, os.O_RDONLY | NO_LINKS), encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | NO_LINKS, 0o644)
        os.fchmod(handle, 0o644)
        return open(handle, encoding="utf-8")
    return open(os.open(path, os.O_RDONLY | NO_LINKS), encoding="utf-8")


def _path(name: str) -> Path:
    plain = re.sub(r"[^A-Za-z0-9-]", "_", name)
    usable = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK | os.X_OK)
    folder = SHARED_MEMORY if usable else Path(tempfile.gettempdir())
    return folder / f"orch-gpu-{plain}.lock"


def _same_name(visible: str) -> str:
    """The UUID of a GPU, by which two names of one GPU are the same lock; else its name."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            ["nvidia-smi", f"--id={visible}", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.strip()
        if said.startswith("GPU-") and "\n" not in said:
            return said
    return visible
