"""Begin a task without the broker, as if its message had just been received.

Celery counts it, and Flower shows it, like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu.message import Message
from kombu.serialization import dumps

from jobs.task import Task
from workers.messaging.messages import contents, name_of


def begin(
    application: Celery, celery_worker: Any, store: str, title: Callable[[Task], str], task: Task
) -> bool:
    """Hand a task to the worker's slots; False if the worker does not run yet.

    It begins when a slot is free, and looks the task up in the ledger as for any message.
    """
    consumer = celery_worker.consumer
    if consumer is None or celery_worker.pool is None:
        return False
    if not consumer.strategies:  # it has never been connected
        consumer.update_strategies()
    strategy = consumer.strategies[name_of(task)]
    message = _message(application, task, contents(task, store, title(task)))
    strategy(message, None, _ignore, _ignore, ())
    return True


def _message(application: Celery, task: Task, contents: dict[str, Any]) -> Message:
    """The message that `messages.enqueue` would send."""
    made = application.amqp.as_task_v2(name=name_of(task), **contents)
    content_type, encoding, body = dumps(made.body, serializer="json")
    return Message(
        body=body,
        content_type=content_type,
        content_encoding=encoding,
        headers=made.headers,
        properties=made.properties,
        delivery_info={"exchange": "", "routing_key": "direct", "redelivered": False},
        accept={content_type},
    )


def _ignore(*_: Any) -> None:
    """Nothing is acknowledged: no broker delivered it."""
