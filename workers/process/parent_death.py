"""End a process with its parent, even inside a call that never returns.

A thread that watches the parent cannot do that: while a call into C holds the GIL, no thread runs.
The Linux kernel can. It ties a process to the thread that started it. A worker starts its fork
server from its main thread, which lives as long as the worker. Children are forked by the only
thread of the fork server.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(number: int = signal.SIGKILL) -> bool:
    """Make the kernel signal this process when its parent ends; False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        return False
    if os.getppid() != parent:
        # It ended between the two checks, too early for the kernel.
        os.kill(os.getpid(), number)
    return True
