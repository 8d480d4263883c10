"""What Celery's monitors, such as Flower, are told of attempts: one row for each attempt.

The rows are display only. They are made from the store's records of attempts, and nothing reads
them back.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.store.records import AttemptRecord
from jobs.task import Task

Announce = Callable[[str, dict[str, Any]], None]
"""Sends an event of a type with these fields; never waits and never raises."""
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, beyond its record.

    `final`: the task failed with it. `stopped_by` says why it was stopped, and `by_person` that a
    person stopped it for good. `result` is a sentence on what it has done.
    """

    result: str = ""
    final: bool = False
    stopped_by: str = ""
    by_person: bool = False


def new_id(task: Task) -> str:
    """A Celery task id for one message: the id of our task, and a part that no other has."""
    return f"{task.id}-{secrets.token_hex(4)}"


def node_name(worker: str, host: str, device: str) -> str:
    """The name of a worker in Celery: `box-1@box.cpu`, `box-2@box.cuda-0`."""
    return f"{worker}@{host}.{_plain(device)}"


def event_of(
    record: AttemptRecord, title: str, ending: Ending | None = None
) -> tuple[str, dict[str, Any]]:
    """The type and the fields of the event that tells of an attempt as it is recorded now.

    An attempt that another one follows is a retry, whatever ended it. A failure is one that ended
    the task. One that a person stopped for good is revoked.
    """
    ending = ending or Ending()
    fields: dict[str, Any] = {
        "uuid": record.celery_id,
        "name": title,
        "args": record.task,
        "retries": record.attempt - 1,
        "hostname": node_name(record.worker or "", record.host or "", record.device or ""),
    }
    if record.state == "running":
        return "task-started", fields
    if record.started_at is not None and record.finished_at is not None:
        fields["runtime"] = max(0.0, record.finished_at - record.started_at)
    if record.state == "done":
        return "task-succeeded", fields | ({"result": ending.result} if ending.result else {})
    fields["exception"] = _reason(record, ending)
    if ending.by_person:
        return "task-revoked", fields | {"terminated": True, "signum": None, "expired": False}
    return ("task-failed" if ending.final else "task-retried"), fields


def _reason(record: AttemptRecord, ending: Ending) -> str:
    """Why an attempt ended without a result, in a line: the kind of failure, and its message."""
    kind = (record.failure or record.state).replace("-", " ")
    words = " ".join((ending.stopped_by or record.message or "").split())
    reason = f"{kind}: {words}" if words else kind
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 4]} ..."


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)
