"""Handle a message: admit, claim, run, settle, notify."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence

from jobs import plan, readiness
from jobs.errors import BadSpec, OrchError, OutOfReach
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from jobs.versions import result_versions
from workers import logs, next_task
from workers.devices.admission import Requirement
from workers.execution import announcing, attempts, failures
from workers.execution.attempts import Attempt, read_history
from workers.execution.callbacks import (
    LOG_S,
    LeaseRenewer,
    LogLimit,
    ProgressReporter,
    StopCondition,
)
from workers.execution.context import TaskContext, task_context
from workers.lease import Lease, keep_renewed
from workers.messaging.task_events import Ending
from workers.worker import Worker

log = logging.getLogger("orch.worker")
ATTEMPTED = {"done", "failed", "stopped", "lost"}
"""The outcomes of messages that began an attempt, or gave their task up."""


def execute(worker: Worker, task_id: str, celery_id: str = "") -> str:
    """Handle a message: admit, claim, run, settle, notify; returns the outcome in a word.

    Never raises for a failure. A message for a task that is not ready or not free changes nothing.
    `celery_id` is the message's, under which Flower shows what becomes of it.
    """
    with logs.task_context(task_id):
        state = _execute(worker, task_id, celery_id)
    if state not in ATTEMPTED:
        announcing.tell_unused(worker, task_id, celery_id, state)
    return state


def _execute(worker: Worker, task_id: str, celery_id: str) -> str:
    try:
        task = Task.parse(task_id)
    except BadSpec as error:
        log.error("invalid message ignored: %s", error)
        return "refused"
    if worker.pause.active or worker.put_off.active(task):
        return "paused"
    try:
        state = _handle(worker, task, celery_id)
    except OutOfReach as error:  # one person's files, or newer ones, stop no other task
        pause_s = worker.put_off.longer(task, error)
        log.error("%s: next try in %.0f s: %s", task.id, pause_s, error)
        return "paused"
    except (OrchError, OSError, ValueError) as error:
        pause_s = worker.pause.longer(error)
        log.error("%s: cannot use the store, next try in %.0f s: %s", task.id, pause_s, error)
        return "paused"
    if state == "done":
        worker.pause.over()
        worker.put_off.over(task)
    return state


def _handle(worker: Worker, task: Task, celery_id: str) -> str:
    context = task_context(worker, task, celery_id)
    if not _may_begin(worker, task) or context.history.must_wait():
        return "not ready"
    if worker.placement.declines(task):
        return "another's"
    admitted = _admit(context)
    if admitted is None:
        worker.leases.doubted.add(task.lease_key)
        return "not now"
    try:
        lease = _claim(context)
        if lease is None:
            worker.leases.doubted.add(task.lease_key)
            return "held"
        try:
            state = _run(context, lease, admitted.alone)
        finally:
            worker.idle_since = time.monotonic()
            worker.admission.leave(task.id)
            lease.release()
    finally:
        worker.admission.leave(task.id)
    next_task.enqueue_following(
        worker, task, lease.token, done=state == "done", must_wait=context.history.must_wait
    )
    return state


def _may_begin(worker: Worker, task: Task) -> bool:
    worker.drain.look(worker.admission.tasks)
    return (
        not worker.stop.is_set()
        and not worker.drain.declines(task)
        and readiness.is_ready(worker.store, task)
        and worker.fits(task)
    )


def _admit(context: TaskContext) -> Requirement | None:
    """Wait until the device has room; the requirement admitted with, or None if not to begin."""
    worker, task = context.worker, context.task

    def still_ours() -> bool:
        return _may_begin(worker, task) and worker.leases.free(task.lease_key)

    return worker.admission.enter(task.id, lambda: requirement(context), still_ours)


def requirement(context: TaskContext) -> Requirement:
    """The requirement of a task; not estimated with a single slot. Benchmarks run alone."""
    if context.worker.admission.slots == 1 or context.task.kind == "bench":
        return Requirement(alone=True)
    expected = context.worker.measured.expected(context.task)
    return Requirement(expected, context.history.must_run_exclusively())


def _claim(context: TaskContext) -> Lease | None:
    """Claim the lease; the attempts are read again if another worker held it meanwhile."""
    worker, task = context.worker, context.task
    lease = worker.leases.claim(task.lease_key, worker.name)
    if lease is not None and lease.token != context.seen_token + 1:
        context.history = read_history(context.store, task)
    return lease


def _run(context: TaskContext, lease: Lease, alone: bool) -> str:
    """Run a claimed task in a child and settle how it ended; "not ready" if it is over already."""
    worker, task = context.worker, context.task
    given_up, holder = worker.placement.on_claimed(task)
    next_task.send_to_idle_workers(worker, given_up, holder)
    if context.store.is_done(task) or context.store.has_failed(task):
        return "not ready"  # everything else was checked just before the claim
    if context.history.lost_too_often():
        lost = f"{attempts.MAX_LOST} workers were lost over it without any progress"
        announcing.tell_given_up(worker, task, context.celery_id, lost)
        return failures.give_up(context, lost, lease)
    runs = context.store.wanted_by(task)
    attempt = _begin_attempt(context, lease, runs)
    request = _task_request(worker, task, attempt, lease, alone, runs)
    with logs.context(attempt=attempt.number):
        log.info("%s: attempt %d started", task.id, attempt.number)
        return _attempt(context, attempt, lease, request)


def _attempt(context: TaskContext, attempt: Attempt, lease: Lease, request: TaskRequest) -> str:
    """Run an attempt in a child, publish its result or settle its failure; returns its state."""
    worker, task = context.worker, context.task
    reporter = ProgressReporter(worker, task, attempt)
    stop = StopCondition(worker, task, lease.token, attempt.record.celery_id or "")
    renew = LeaseRenewer(lease)
    limit_log = LogLimit(attempt.log, every_s=LOG_S * worker.placement.slowdown)

    def still_mine() -> bool:
        limit_log()
        return renew()

    try:
        result = worker.run_child(
            request,
            attempt.log,
            on_message=reporter,
            should_stop=stop,
            still_mine=still_mine,
            limits=worker.limits,
            entry=worker.entry,
        )
        with keep_renewed(lease):
            context.store.publish_result(task, result, attempt.work_folder, lease.holds)
    except OrchError as error:
        state = failures.settle_failure(context, attempt, error, lease)
        announcing.tell_failed(worker, task, attempt.record, stop.reason, stop.by_person)
        return state
    finally:
        worker.placement.on_ended(task)
        shutil.rmtree(attempt.work_folder, ignore_errors=True)
    attempt.finish("done")
    log.info("%s: done", task.id)
    said = announcing.result_sentence(task, result, reporter.facts)
    announcing.tell(worker, attempt.record, Ending(said))
    return "done"


def _begin_attempt(context: TaskContext, lease: Lease, runs: Sequence[Run]) -> Attempt:
    worker, task, history = context.worker, context.task, context.history
    before = history.records
    attempt = attempts.begin(
        history,
        {
            "trial": None if task.kind == "prepare" else task.subject,
            "run": runs[-1].name if runs else None,
            "worker": worker.name,
            "host": worker.host,
            "device": worker.device.name,
            "token": lease.token,
            "queued_at": ready_since(worker.store, task, runs),
            "versions": result_versions(),
            "celery_id": announcing.id_for(history, context.celery_id),
        },
    )
    announcing.tell_lost(worker, before, history)
    announcing.tell(worker, attempt.record)
    return attempt


def ready_since(store: Store, task: Task, runs: Sequence[Run]) -> float | None:
    """Time (Unix) from which the task was ready: submission, or end of its last input."""
    times = [run.submitted_at for run in runs[:1]]
    if task.kind != "prepare":
        data = store.load_trial(task.subject).data
        before = [epoch for epoch in store.target_epochs(task.subject) if epoch < task.epoch]
        needed = Task(
            "train", task.subject, task.epoch if task.needs_training else max(before, default=0)
        )
        prepared = [Task("prepare", each) for each in filter(None, (data, task.data))]
        paths = [store.done_path(each) for each in (*prepared, needed)]
        times += [path.stat().st_mtime for path in paths if path.exists()]
    return max(times, default=None)


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
