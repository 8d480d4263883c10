"""Celery on Redis: messages that carry task ids and nothing more."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import ChannelError, OperationalError
from kombu.transport import TRANSPORT_ALIASES
from redis.exceptions import RedisError

from jobs.errors import BrokerUnreachable
from jobs.plan import priority
from jobs.settings import without_password
from jobs.task import Task

TRANSPORT_ALIASES.update(
    redis="workers.messaging.transport:Transport", rediss="workers.messaging.transport:Transport"
)

QUEUE = "orch"
PRIORITIES = list(range(10))
SCHEMES = ("redis://", "rediss://", "redis+socket://")
ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
UNREACHABLE = (OperationalError, RedisError, OSError)


def app(broker_url: str) -> Celery:
    """The Celery application of workers, controller and Flower: JSON only, no result backend.

    Messages are acknowledged when work begins: a lost one is enqueued again from the ledger.
    `worker_disable_prefetch` keeps a busy worker from holding a message that others could take.
    """
    application = Celery("orch", broker=broker_url, set_as_current=False)
    application.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE,
        task_queues=[Queue(QUEUE)],
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "priority_steps": PRIORITIES,
            "sep": ":",
            "queue_order_strategy": "priority",
            "socket_connect_timeout": 5,
            **ONE_TRY,
        },
    )
    return application


def name_of(task: Task) -> str:
    """The Celery task name, shown by Flower: `orch.train`, `orch.evaluate`, `orch.prepare`."""
    return f"orch.{task.kind}"


def worker_queue(worker: str) -> str:
    """The queue of this worker alone, read before the common one."""
    return f"{QUEUE}.{worker}"


def enqueue(broker_url: str, tasks: Iterable[Task], to: str | None = None) -> int:
    """Enqueue tasks, large networks first, with `to` for one worker; returns how many.

    Raises `BrokerUnreachable`. The connection is kept; if it broke meanwhile, a message is sent
    again on a new one.
    """
    sent = 0
    with reachable(broker_url):
        for task in tasks:
            _sender(broker_url).send_task(
                name_of(task),
                args=[task.id],
                queue=worker_queue(to) if to else QUEUE,
                priority=0 if to else priority(task),
                retry=True,
                retry_policy=ONE_TRY,
            )
            sent += 1
    return sent


@functools.lru_cache(maxsize=1)
def _sender(broker_url: str) -> Celery:
    """The application whose pool keeps the connections, one per sending thread."""
    return app(broker_url)


def delete_worker_queue(broker_url: str, worker: str) -> None:
    """Delete the queue of a worker that leaves; its tasks are enqueued again from the ledger."""
    with (
        contextlib.suppress(BrokerUnreachable),
        reachable(broker_url),
        _channel(broker_url, 3.0) as channel,
    ):
        channel.queue_delete(worker_queue(worker))


def ping(broker_url: str, timeout_s: float = 3.0) -> None:
    """Return if the broker answers; raises `BrokerUnreachable` (without the password)."""
    if not broker_url.startswith(SCHEMES):
        raise BrokerUnreachable(
            f"the broker address {without_password(broker_url)} must start with "
            f"{' or '.join(SCHEMES)}. Check ORCH_BROKER_URL, or unset it to use the embedded "
            "broker."
        )
    try:
        with reachable(broker_url), _channel(broker_url, timeout_s) as channel:
            channel.client.ping()
    except TypeError:  # how kombu refuses an option in the address
        shown = without_password(broker_url)
        raise BrokerUnreachable(
            f"the broker address {shown} has a part or an option that is not supported. "
            "Check ORCH_BROKER_URL, or unset it to use the embedded broker."
        ) from None


def queue_length(broker_url: str, timeout_s: float = 3.0) -> int:
    """Messages in the queue, at all priorities. Raises `BrokerUnreachable`."""
    with reachable(broker_url), _channel(broker_url, timeout_s) as channel:
        try:
            return int(Queue(QUEUE)(channel).queue_declare(passive=True).message_count)
        except ChannelError:
            return 0


def flower(broker_url: str, port: int, address: str = "127.0.0.1") -> None:
    """Run Flower on the same application until it is stopped."""
    app(broker_url).start(
        argv=["flower", f"--port={port}", f"--address={address}", "--purge_offline_workers=60"]
    )


@contextlib.contextmanager
def reachable(broker_url: str) -> Iterator[None]:
    """Turn every failure to reach a broker into `BrokerUnreachable`."""
    try:
        yield
    except (*UNREACHABLE, ValueError, KeyError, ImportError) as error:
        if "Authentication" in type(error.__cause__ or error).__name__:
            raise BrokerUnreachable(
                f"the broker at {without_password(broker_url)} rejects the password, or needs one. "
                "Check ORCH_BROKER_URL: redis://:PASSWORD@HOST:PORT/0."
            ) from None
        raise BrokerUnreachable(
            f"no broker answers at {without_password(broker_url)} "
            f"({type(error.__cause__ or error).__name__}). Check ORCH_BROKER_URL and that Redis is "
            "running, or unset it to use the embedded broker."
        ) from None


@contextlib.contextmanager
def _channel(broker_url: str, timeout_s: float) -> Iterator[Any]:
    limits = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry_on_timeout": False,
        **ONE_TRY,
        "priority_steps": PRIORITIES,
        "sep": ":",
    }
    with Connection(broker_url, transport_options=limits, connect_timeout=timeout_s) as connection:
        yield connection.default_channel
