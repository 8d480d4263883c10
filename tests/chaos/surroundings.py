"""A study's surroundings: a small disk and a host name of its own, and rights like a user's."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

DISK_BYTES = 16_000_000_000
NEW_HOST_NAME = 0x04000000  # CLONE_NEWUTS; os.unshare came with Python 3.12
DROP_FROM_BOUNDING_SET = 24  # PR_CAPBSET_DROP
READS_EVERYTHING = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

DISK_FULL = "disk full"
HOST_RENAMED = "host renamed"


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk at a folder if mounting is allowed; returns whether it is mounted.

    It uses no more memory than is written to it.
    """
    folder.mkdir(parents=True)
    mounted = os.geteuid() == 0 and _mount(
        "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def fill_disk(folder: Path) -> bool:
    """Make a disk as small as what is on it; returns whether no byte more can be written."""
    found = os.statvfs(folder)
    return _mount("-o", f"remount,size={(found.f_blocks - found.f_bfree) * found.f_frsize}", folder)


def free_disk(folder: Path) -> None:
    """Give a disk its size again."""
    _mount("-o", f"remount,size={DISK_BYTES}", folder)


def _mount(*words: str | Path) -> bool:
    return not subprocess.run(["mount", *map(str, words)], capture_output=True).returncode


def own_host_name() -> bool:
    """Give this process and those it starts a host name of their own, if that is allowed.

    Call it before any thread is started.
    """
    return os.geteuid() == 0 and ctypes.CDLL(None).unshare(NEW_HOST_NAME) == 0


def obey_modes() -> None:
    """Programs started from now on obey the modes of files, even if root starts them.

    Call it before any thread is started.
    """
    if os.geteuid() == 0:
        for capability in READS_EVERYTHING:
            ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
