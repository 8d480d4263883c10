"""The exit codes of every `orch` command.

An error has its own (`jobs.errors`), a run that was waited for that of its end
(`orchestrator.monitoring.status`), and `orchestrator.cli` returns them.
"""

from __future__ import annotations

DONE = 0
FAILED = 1
INVALID = 2
"""An invalid request: nothing was queued or written. Of a worker: waiting does not help."""
TEMPORARY = 75
"""Of a worker: a later start may succeed (EX_TEMPFAIL)."""
SIGNALLED = 128
"""Added to the number of the signal that ended a command: 130 after Ctrl-C, 143 after SIGTERM."""
UNREAD = 141
"""The reader of the output ended first: that of SIGPIPE."""
