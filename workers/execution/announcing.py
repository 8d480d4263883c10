"""Tell Celery's monitors, such as Flower, what becomes of messages and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.errors import BadSpec, OrchError
from jobs.store.records import AttemptRecord
from jobs.task import Task
from jobs.task_title import task_title
from workers.execution.attempts import History, as_lost, records
from workers.messaging.task_events import Ending, event_of, new_id, node_name
from workers.worker import Worker

IGNORED = "task-ignored"
"""A message that began nothing; Celery's monitors show types that they do not know as states."""
REASONS = {
    "another's": "the task is for another worker",
    "held": "another worker is at the task",
    "not now": "the device has no room for it now",
    "not ready": "the task is done, or cannot begin yet",
    "paused": "the worker takes no task for a while",
    "refused": "the message names no task",
}
"""Why a message began nothing, by the word of its outcome."""


def id_for(history: History, celery_id: str) -> str:
    """The Celery id for a new attempt; another one if an attempt of a doubled message has it."""
    used = {record.celery_id for record in history.records}
    return celery_id if celery_id and celery_id not in used else new_id(history.task)


def tell(worker: Worker, record: AttemptRecord, ending: Ending | None = None) -> None:
    """Tell of an attempt as it is recorded; those of older workers have no row."""
    if record.celery_id:
        title = task_title(worker.store, Task.parse(record.task))
        worker.announce(*event_of(record, title, ending))


def tell_failed(
    worker: Worker, task: Task, record: AttemptRecord, stopped_by: str, by_person: bool
) -> None:
    """Tell of an attempt that published nothing: whether its task failed, or is tried again."""
    stopped = record.state == "stopped"
    final = not stopped and worker.store.has_failed(task)
    reason = stopped_by if stopped else ""
    tell(worker, record, Ending("", final, reason, stopped and by_person))


def tell_given_up(worker: Worker, task: Task, celery_id: str, why: str) -> None:
    """Tell of a message whose task may not be tried any more."""
    if celery_id:
        row = _row(worker, task_title(worker.store, task), task.id, celery_id)
        worker.announce("task-failed", row | {"exception": f"given up: {why}"})


def tell_lost(worker: Worker, before: Sequence[AttemptRecord], now: History) -> None:
    """Tell of the attempts that were running before and are recorded as lost now."""
    running = {record.attempt for record in before if record.state == "running"}
    for record in now.earlier:
        if record.attempt in running and record.state == "lost":
            tell(worker, record)


def tell_abandoned(worker: Worker, task: Task, history: History, told: set[str]) -> None:
    """Tell of an attempt that nobody holds the lease of any more; once, from the record."""
    for record in history.records[-1:]:
        # Read before the lease is looked at again: nobody may have begun it meanwhile.
        if record.state == "running" and worker.leases.free(task.lease_key):
            lost, celery_id = as_lost(worker.store, task, record), record.celery_id
            if celery_id and celery_id not in told:
                told.add(celery_id)
                tell(worker, lost)


def tell_unused(worker: Worker, task_id: str, celery_id: str, word: str) -> None:
    """Tell that a message began nothing; of a doubled one, what the first one began."""
    if not celery_id:
        return
    try:
        task = Task.parse(task_id)
        earlier = [each for each in records(worker.store, task) if each.celery_id == celery_id]
        title = task_title(worker.store, task)
    except BadSpec:
        earlier, title = [], "invalid message"
    except (OrchError, OSError):
        earlier, title = [], task_id
    if earlier:
        if earlier[-1].state != "stopped":  # by whom is not on record
            tell(worker, earlier[-1], Ending(final=worker.store.has_failed(task)))
        return
    row = _row(worker, title, task_id[:120], celery_id)
    worker.announce(IGNORED, row | {"result": f"nothing begun: {REASONS.get(word, word)}"})


def _row(worker: Worker, title: str, task_id: str, celery_id: str) -> dict[str, Any]:
    node = node_name(worker.name, worker.host, worker.device.name)
    return {"uuid": celery_id, "name": title, "args": task_id, "hostname": node}


def result_sentence(task: Task, result: Mapping[str, Any], progress: Mapping[str, Any]) -> str:
    """What a task has done, from its result's facts and its last report of a loss."""
    if task.kind == "prepare":
        classes = result.get("classes") or {}
        return f"{result.get('images', 0)} images in {len(classes)} classes"
    if task.kind == "rank":
        parts = [_share("probe accuracy", result.get("accuracy"))]
        return ", ".join(filter(None, (*parts, f"{result.get('total', 0)} images")))
    if task.kind == "evaluate":
        parts = [_share("accuracy", result.get("accuracy")), _loss(result.get("loss"))]
        return ", ".join(filter(None, (*parts, f"{result.get('total', 0)} test images")))
    if task.way is not None:
        return f"measured by {task.way.runtime} on {task.way.threads} thread(s)"
    early = " (stopped early)" if result.get("stopped_early") else ""
    parts = [
        _loss(progress.get("loss")),
        _share("validation accuracy", progress.get("val_accuracy")),
    ]
    return ", ".join(filter(None, (f"epoch {result.get('epoch')} reached{early}", *parts)))


def _loss(value: Any) -> str:
    return f"loss {value:.2f}" if isinstance(value, int | float) else ""


def _share(name: str, value: Any) -> str:
    return f"{name} {100 * value:.1f}%" if isinstance(value, int | float) else ""
