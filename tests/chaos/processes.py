"""Living processes: descendants of a worker, and the children that do its task."""

from __future__ import annotations

import contextlib

import psutil


def runs(process: psutil.Process) -> bool:
    """Whether a process lives and is not frozen."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() not in (
            psutil.STATUS_ZOMBIE,
            psutil.STATUS_STOPPED,
        )
    return False


def descendants(pid: int) -> list[psutil.Process]:
    """The living descendants of a process."""
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def task_children(pid: int) -> list[psutil.Process]:
    """The processes that do a worker's task: children of its fork server."""
    with contextlib.suppress(psutil.Error):
        return [child for server in psutil.Process(pid).children() for child in server.children()]
    return []
