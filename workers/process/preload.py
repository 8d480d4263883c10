"""Imported by the fork server only: ties it to the worker, so that children end with it.

Children hold the pipe that tells a fork server it is needed. A child that hangs would keep the fork
server alive after its worker.
"""

from __future__ import annotations

import signal

from workers.process import parent_death

parent_death.die_with_parent()

# Schedulers of clusters signal every process of a job; the worker alone decides what stops.
for each in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(each, signal.SIG_IGN)
