"""Messages to Celery's queues: each carries a task id and the id of its store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from celery import Celery

from jobs.plan import priority
from jobs.task import Task
from workers.messaging import broker
from workers.messaging.refusal import reachable
from workers.messaging.task_events import new_id


def enqueue(
    broker_url: str,
    tasks: Iterable[Task],
    to: str | None = None,
    store: str = "",
    cost: Callable[[Task], float] = lambda task: 1.0,
    title: Callable[[Task], str] = lambda task: task.id,
) -> int:
    """Enqueue tasks, large networks by `cost` first, with `to` for one worker; returns how many.

    `title` is the name that Flower shows. Raises `BrokerUnreachable`. The connection is kept; if it
    broke meanwhile, a message is sent again on a new one.
    """
    sent = 0
    with reachable(broker_url):
        for task in tasks:
            _sender(broker_url, store).send_task(
                name_of(task),
                **contents(task, store, title(task)),
                queue=broker.queue(
                    broker.worker_queue(to, store) if to else broker.common_queue(store)
                ),
                priority=0 if to else priority(task, cost(task)),
                retry=True,
                retry_policy=broker.ONE_TRY,
            )
            sent += 1
    return sent


def contents(task: Task, store: str, title: str) -> dict[str, Any]:
    """A message's id and arguments, and how Flower shows them."""
    return {
        "task_id": new_id(task),
        "args": [task.id],
        "kwargs": {"store": store},
        "argsrepr": task.id,
        "shadow": title,
    }


@functools.lru_cache(maxsize=4)
def _sender(broker_url: str, store: str) -> Celery:
    """The application whose pool keeps the connections, one per sending thread."""
    return broker.app(broker_url, store)


def name_of(task: Task) -> str:
    """The Celery task name: `orch.train`, `orch.evaluate`, `orch.prepare`."""
    return f"orch.{task.kind}"
