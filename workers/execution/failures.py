"""Settle an attempt that failed: record why, and fail the task if no further one may begin.

How many attempts there are, and how long a task waits for its next one, is in `attempts`; which
errors may be retried, in `jobs/errors.py` (`retry`).
"""

from __future__ import annotations

import logging

from jobs import atomic
from jobs.errors import BadCheckpoint, DeviceFailed, LeaseLost, OrchError, Stopped, WorkerLost
from jobs.maintenance import verify
from jobs.store import codec
from jobs.store.records import TaskFailure
from jobs.task import Task
from workers.execution.attempts import MAX_ATTEMPTS, Attempt
from workers.execution.context import TaskContext
from workers.lease import Lease

log = logging.getLogger("orch.worker")


def give_up(context: TaskContext, why: str, lease: Lease) -> str:
    """Quarantine a task for which no further attempt may begin."""
    if not lease.holds():
        return "lost"
    store, task = context.store, context.task
    log.error("%s: given up: %s", task.id, why)
    atomic.create_json(
        store.failed_path(task),
        codec.encode(
            TaskFailure(
                failure=WorkerLost.failure,
                message=f"{why}; look at the workers' own logs.",
                attempt=context.history.records[-1].attempt,
                quarantined=True,
            )
        ),
    )
    return "failed"


def settle_failure(context: TaskContext, attempt: Attempt, error: OrchError, lease: Lease) -> str:
    """Record a failed attempt; fail the task if the error is final or came too often."""
    worker, store, task = context.worker, context.store, context.task
    if isinstance(error, DeviceFailed):  # a broken GPU, always idle, would take every task
        pause_s = worker.pause.longer(error)
        log.error("%s cannot be used: no task is taken for %.0f s", worker.device.name, pause_s)
    stopped, lost = isinstance(error, Stopped), isinstance(error, LeaseLost)
    state = "stopped" if stopped else "lost" if lost else "failed"
    attempt.finish(state, error)
    if lease.holds():  # otherwise the file may belong to the new holder
        store.progress_path(task).unlink(missing_ok=True)
    log.warning("%s: attempt %d %s (%s): %s", task.id, attempt.number, state, error.failure, error)
    mendable = isinstance(error, BadCheckpoint) and task.needs_training
    if mendable and lease.holds():
        # The training is repeated from the checkpoint before, and ends the same.
        verify.redo_training(store, Task("train", task.subject, task.epoch))
    retry, tries = error.retry or mendable, len(context.history.counted_failures())
    # A worker that was frozen may wake up when another has the task, or has done it.
    decides = lease.holds() and not store.is_done(task)
    if decides and (not retry or tries >= MAX_ATTEMPTS):
        often = f" (the last of {tries} attempts)" if retry else ""
        atomic.create_json(
            store.failed_path(task),
            codec.encode(
                TaskFailure(
                    failure=error.failure,
                    message=f"{error}{often}",
                    attempt=attempt.number,
                    log=str(attempt.log),
                    quarantined=retry,
                )
            ),
        )
    return state
