"""Handle a message: admit, claim, execute, publish, and enqueue what follows."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence

from jobs import atomic, errors, plan
from jobs.errors import (
    AccessDenied,
    BadCheckpoint,
    BadSpec,
    BrokerUnreachable,
    DeviceFailed,
    LeaseLost,
    OrchError,
    Stopped,
)
from jobs.maintenance import verify
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from workers.devices.admission import Requirement
from workers.execution import attempts
from workers.execution.attempts import Attempt
from workers.execution.callbacks import LeaseRenewer, ProgressReporter, StopCondition
from workers.lease import Lease, keep_renewed
from workers.messaging import broker
from workers.worker import LONGEST_WAIT_S, Worker

log = logging.getLogger("orch.worker")


def execute(worker: Worker, task_id: str) -> str:
    """Execute a task if it is ready and free; the outcome in a word. Never raises for a failure."""
    try:
        task = Task.parse(task_id)
    except BadSpec as error:
        log.error("a message was refused: %s", error)
        return "refused"
    if worker.pause.active or worker.put_off.active(task):
        return "paused"
    try:
        state = _claimed(worker, task)
    except AccessDenied as error:  # the modes of one person's files stop no other task
        pause_s = worker.put_off.longer(task, error)
        log.error("%s: the next try is in %.0f s: %s", task.id, pause_s, error)
        return "paused"
    except (OrchError, OSError, ValueError) as error:
        pause_s = worker.pause.longer(error)
        log.error(
            "%s: the store cannot be used, the next try is in %.0f s: %s", task.id, pause_s, error
        )
        return "paused"
    if state == "done":
        worker.pause.over()
        worker.put_off.over(task)
    return state


def _claimed(worker: Worker, task: Task) -> str:
    """Execute a task once admitted, if it can be claimed then."""
    if not _may_begin(worker, task):
        return "not ready"
    if worker.handover.declines(task):
        return "another's"
    need = worker.admission.enter(
        task.id, lambda: _need(worker, task), lambda: _still_ours(worker, task)
    )
    if need is None:
        return "not now"
    try:
        lease = worker.watch.claim(task.lease_key, worker.name)
        return "held" if lease is None else _held(worker, task, lease, need)
    finally:
        worker.admission.leave(task.id)


def _may_begin(worker: Worker, task: Task) -> bool:
    return not (
        worker.stop.is_set()
        or not plan.is_ready(worker.store, task)
        or must_wait(worker.store, task)
    )


def _still_ours(worker: Worker, task: Task) -> bool:
    """Whether a waiting task is still to be done and not begun by another worker."""
    return _may_begin(worker, task) and worker.watch.free(task.lease_key)


def _need(worker: Worker, task: Task) -> Requirement:
    """The requirement of a task; not estimated with a single slot."""
    if worker.admission.slots == 1:
        return Requirement(alone=True)
    return Requirement(
        worker.measured.expected(task), attempts.must_run_exclusively(worker.store, task)
    )


def _held(worker: Worker, task: Task, lease: Lease, need: Requirement) -> str:
    """Execute a claimed task, release the lease, enqueue what follows."""
    store, state = worker.store, ""
    request = worker.handover.request
    _pass_on(worker, worker.handover.fulfilled(task), request.holder if request else "")
    try:
        if not (
            store.is_done(task) or store.has_failed(task)
        ):  # everything else was checked just before the claim
            state = _attempt(worker, task, lease, need.alone)
        return state or "not ready"
    finally:
        worker.idle_since = time.monotonic()
        worker.admission.leave(task.id)
        lease.release()
        following = plan.next_tasks(store, task) or retry_now(store, task)
        stays = state == "done" and not worker.stop.is_set()
        for to, tasks in worker.handover.whose(task, lease.token, following, stays).items():
            if to is None:
                _pass_on(worker, tasks, worker.name if stays else "")
            else:
                enqueue(worker, tasks, to)


def _pass_on(worker: Worker, tasks: list[Task], *free: str) -> None:
    """Enqueue each training to its best idle worker, the rest to any; `free` just became idle."""
    for to, sent in (worker.fleet.placed(worker.handover, tasks, *free) if tasks else {}).items():
        enqueue(worker, sent, to)


def _attempt(worker: Worker, task: Task, lease: Lease, alone: bool) -> str:
    """Execute a claimed task and record how it ended."""
    runs = worker.store.wanted_by(task)
    if attempts.lost_too_often(worker.store, task):
        lost = f"{attempts.MAX_LOST} workers were lost over it without any progress"
        return _give_up(worker.store, task, lost, lease)
    attempt = _begin_attempt(worker, task, lease, runs)
    log.info("%s: attempt %d begins", task.id, attempt.number)
    try:
        result = worker.run_child(
            _task_request(worker, task, attempt, lease, alone, runs),
            attempt.log,
            on_message=ProgressReporter(worker, task, attempt),
            should_stop=StopCondition(worker, task, lease.token),
            still_mine=LeaseRenewer(lease),
            limits=worker.limits,
            entry=worker.entry,
        )
        with keep_renewed(lease):
            worker.store.publish(task, result, attempt.work_folder, lease.holds)
    except OrchError as error:
        if isinstance(error, DeviceFailed):  # a broken GPU, always idle, would take every task
            pause_s = worker.pause.longer(error)
            log.error("%s cannot be used: no task is taken for %.0f s", worker.device.name, pause_s)
        return _record_failure(worker.store, task, attempt, error, lease)
    finally:
        worker.handover.ended(task)
        shutil.rmtree(attempt.work_folder, ignore_errors=True)
    attempt.finish("done")
    log.info("%s: done", task.id)
    return "done"


def _begin_attempt(worker: Worker, task: Task, lease: Lease, runs: Sequence[Run]) -> Attempt:
    return attempts.begin(
        worker.store,
        task,
        {
            "trial": None if task.kind == "prepare" else task.subject,
            "run": runs[-1].name if runs else None,
            "worker": worker.name,
            "host": worker.host,
            "device": worker.device.name,
            "token": lease.token,
            "queued_at": ready_since(worker.store, task, runs),
        },
    )


def _give_up(store: Store, task: Task, why: str, lease: Lease) -> str:
    """Quarantine a task for which no further attempt may begin."""
    if not lease.holds():
        return "lost"
    last = attempts.records(store, task)[-1]["attempt"]
    log.error("%s: given up: %s", task.id, why)
    atomic.create_json(
        store.failed_path(task),
        {
            "failure": errors.WorkerLost.failure,
            "message": f"{why}; look at the workers' own logs.",
            "attempt": last,
            "quarantined": True,
        },
    )
    return "failed"


def _record_failure(
    store: Store, task: Task, attempt: Attempt, error: OrchError, lease: Lease
) -> str:
    """Record a failed attempt; fail the task if the error is final or came too often."""
    state = (
        "stopped"
        if isinstance(error, Stopped)
        else "lost"
        if isinstance(error, LeaseLost)
        else "failed"
    )
    attempt.finish(state, error)
    if lease.holds():  # otherwise the file may belong to the new holder
        store.progress_path(task).unlink(missing_ok=True)
    log.warning("%s: attempt %d %s (%s): %s", task.id, attempt.number, state, error.failure, error)
    mendable = isinstance(error, BadCheckpoint) and task.kind == "evaluate"
    if mendable and lease.holds():
        # The training is repeated from the checkpoint before, and ends the same.
        verify.redo_training(store, Task("train", task.subject, task.epoch))
    retry, tries = error.retry or mendable, len(attempts.counted_failures(store, task))
    # A worker that was frozen may wake up when another has the task, or has done it.
    decides = lease.holds() and not store.is_done(task)
    if decides and (not retry or tries >= attempts.MAX_ATTEMPTS):
        often = f" (the last of {tries} attempts)" if retry else ""
        atomic.create_json(
            store.failed_path(task),
            {
                "failure": error.failure,
                "message": f"{error}{often}",
                "attempt": attempt.number,
                "log": str(attempt.log),
                "quarantined": retry,
            },
        )
    return state


def retry_now(store: Store, task: Task) -> list[Task]:
    """The task itself, if it is still to be done and may be tried at once."""
    return [task] if plan.is_ready(store, task) and not must_wait(store, task) else []


def must_wait(store: Store, task: Task) -> bool:
    """Whether the task failed so recently that it must wait: 2, 4, 8 ... s, at most 5 minutes."""
    tried = attempts.attempts_at_resume_point(store, task)
    failed = [
        r for r in tried if r["state"] == "failed" and r["failure"] not in attempts.RETRY_AT_ONCE
    ]
    if not failed or tried[-1] is not failed[-1]:
        return False
    pause_s = min(LONGEST_WAIT_S, 2.0 ** len(failed))
    return bool(time.time() < failed[-1]["finished_at"] + pause_s)


def ready_since(store: Store, task: Task, runs: Sequence[Run]) -> float | None:
    """Time (Unix) from which the task was ready: submission, or end of its last input."""
    times = [run.submitted_at for run in runs[:1]]
    if task.kind != "prepare":
        data = store.load_trial(task.subject).data
        before = [epoch for epoch in store.target_epochs(task.subject) if epoch < task.epoch]
        needed = Task(
            "train", task.subject, task.epoch if task.kind == "evaluate" else max(before, default=0)
        )
        paths = [store.done_path(Task("prepare", data)), store.done_path(needed)]
        times += [path.stat().st_mtime for path in paths if path.exists()]
    return max(times, default=None)


def enqueue(worker: Worker, tasks: list[Task], to: str | None = None) -> None:
    """Enqueue ready tasks, with `to` for one worker.

    If the broker is unreachable nothing is lost: the reconciler enqueues them later.
    """
    if not tasks:
        return
    try:
        broker.enqueue(worker.broker_url, tasks, to)
    except BrokerUnreachable as error:
        log.warning("%s The tasks are sent again when it is back.", error)


def _task_request(
    worker: Worker, task: Task, attempt: Attempt, lease: Lease, alone: bool, runs: Sequence[Run]
) -> TaskRequest:
    """The request for the child; the checkpoint interval is that of the latest run."""
    return TaskRequest(
        task=task.id,
        store=str(worker.store.root),
        attempt=f"t{lease.token:06d}",
        work_folder=str(attempt.work_folder),
        period=0 if task.kind == "prepare" else plan.period_closed_by(worker.store, task),
        device=worker.device.kind,
        threads=worker.device.threads,
        weights_dir=str(worker.weights_dir) if worker.weights_dir else None,
        checkpoint_every_s=runs[-1].spec.checkpoint_every_s if runs else None,
        alone=alone,
    )
