"""Celery on Redis: the application, its queues and its connections."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES

from jobs.errors import BrokerUnreachable
from workers.messaging import address
from workers.messaging.refusal import reachable

TRANSPORT_ALIASES.update(
    redis="workers.messaging.transport:Transport", rediss="workers.messaging.transport:Transport"
)

QUEUE = "orch"
PRIORITIES = list(range(10))
ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
SILENT_S = 4.0
"""Seconds after which a broker that sends nothing counts as silent."""
CONNECT_S = 2.5
HEALTH_S = 5
FORGOTTEN_MS = 3_600_000
"""A worker's queue is dropped when nothing was put into it for so long."""
LIMITS: dict[str, Any] = {
    "socket_timeout": SILENT_S,
    "socket_connect_timeout": CONNECT_S,
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: 10,
        socket.TCP_KEEPINTVL: 5,
        socket.TCP_KEEPCNT: 3,
    },
    "health_check_interval": HEALTH_S,
    "retry_on_timeout": False,
    "priority_steps": PRIORITIES,
    "sep": ":",
    **ONE_TRY,
}
"""For every connection: none waits for ever for a broker that has become silent."""


class Amqp(AMQP):  # type: ignore[misc]  # celery is not typed
    """Celery's messages; what is waiting is shown under the name of what runs."""

    def as_task_v2(self, *args: Any, **kwargs: Any) -> Any:
        """A message; its task-sent event names the task by its `shadow`, where it has one."""
        made = super().as_task_v2(*args, **kwargs)
        if made.sent_event and made.headers["shadow"]:
            made.sent_event["name"] = made.headers["shadow"]
        return made


def app(broker_url: str, store: str = "", worker: str = "") -> Celery:
    """The Celery application of workers, controller and Flower: JSON only, no result backend.

    `store` is the id of the store: queues, events and remote control of other stores on the same
    broker stay apart. Messages are acknowledged when work begins, and none is kept to be delivered
    again: a lost one is enqueued again from the ledger. `worker_disable_prefetch` keeps a busy
    worker from holding a message that others could take.
    """
    with reachable(broker_url):
        to_connect_to = address.checked(broker_url)
        application = Celery("orch", broker=to_connect_to, set_as_current=False, amqp=Amqp)
    names = common_queue(store), *([worker_queue(worker, store)] if worker else [])
    application.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_default_queue=names[0],
        task_queues=[queue(name) for name in names],
        task_create_missing_queues=False,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=True,  # none: all are acknowledged
        broker_use_ssl=address.tls_options(to_connect_to),  # read by Flower
        event_exchange=f"{names[0]}.events",
        control_exchange=f"{names[0]}.control",
        broker_transport_options={
            **LIMITS,
            "queue_order_strategy": "priority",
            "ack_emulation": False,
        },
    )
    application.amqp.default_exchange = None  # else Celery would bind each queue to one
    return application


def queue(name: str) -> Queue:
    """A queue of the default exchange, which needs no binding that could be left behind."""
    expires_s = FORGOTTEN_MS / 1000 if name.count(".") > 1 else None
    return Queue(name, Exchange(""), routing_key=name, expires=expires_s)


def common_queue(store: str = "") -> str:
    """The queue that all workers of a store read."""
    return f"{QUEUE}.{store}" if store else QUEUE


def worker_queue(worker: str, store: str = "") -> str:
    """The queue of this worker alone, read before the common one."""
    return f"{common_queue(store)}.{worker}"


def delete_worker_queue(broker_url: str, worker: str, store: str = "") -> None:
    """Delete the queue of a worker that leaves; its tasks are enqueued again from the ledger."""
    with (
        contextlib.suppress(BrokerUnreachable),
        connected(broker_url) as channel,
    ):
        channel.queue_delete(worker_queue(worker, store))


def ping(broker_url: str, timeout_s: float = 3.0) -> None:
    """Return if the broker answers; raises `BrokerUnreachable` (without the password)."""
    with connected(broker_url, timeout_s) as channel:
        channel.client.ping()


def require_writable(broker_url: str, store: str = "", timeout_s: float = 3.0) -> None:
    """Return if messages can be put into the queue; raises `BrokerUnreachable`.

    A broker may answer and refuse to be written to: its disk is full, it has become a replica, or
    its user may not. What is written is removed in the same transaction.
    """
    name = common_queue(store)
    with connected(broker_url, timeout_s) as channel, channel.client.pipeline() as at_once:
        at_once.lpush(f"{name}.probe", "probe").delete(f"{name}.probe").llen(name).execute()


def queue_length(broker_url: str, timeout_s: float = 3.0, store: str = "", worker: str = "") -> int:
    """Messages in the common queue, and in that of `worker`, at all priorities.

    Raises `BrokerUnreachable`.
    """
    names = common_queue(store), *([worker_queue(worker, store)] if worker else [])
    with connected(broker_url, timeout_s) as channel:
        return sum(_length(channel, name) for name in names)


def _length(channel: Any, name: str) -> int:
    try:
        return int(queue(name)(channel).queue_declare(passive=True).message_count)
    except ChannelError:
        return 0


@contextlib.contextmanager
def connected(broker_url: str, timeout_s: float = 3.0) -> Iterator[Any]:
    """A channel on a connection of its own; raises `BrokerUnreachable`, in the block too."""
    limits = LIMITS | {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "max_retries": 0,
    }
    with (
        reachable(broker_url),
        Connection(
            address.checked(broker_url), transport_options=limits, connect_timeout=timeout_s
        ) as connection,
    ):
        yield connection.default_channel
