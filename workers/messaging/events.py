"""Celery's events, which Flower shows, sent by a thread of their own.

Neither a task nor the receiving of messages ever waits for them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.events.dispatcher import EventDispatcher
from celery.events.event import Event, get_exchange, group_from
from celery.utils.time import utcoffset
from kombu.messaging import Producer

from jobs.errors import BrokerUnreachable
from workers.messaging.link import Link
from workers.messaging.refusal import reachable

MAX_KEPT = 5_000
"""Events kept while the broker is away; older ones are dropped."""
AT_ONCE = 100
GOODBYE_S = 1.0
LOOK_S = 0.2


class Outbox:
    """Events on their way to the broker, in order; kept while it is away."""

    def __init__(self, application: Celery, broker_url: str, link: Link) -> None:
        self.application, self.broker_url, self.link = application, broker_url, link
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_KEPT)
        self._put = threading.Event()
        self._sent = threading.Event()

    def put(self, event_type: str, event: dict[str, Any]) -> None:
        """Leave an event to be sent; never waits."""
        self._sent.clear()
        self._waiting.append((event_type, event))
        self._put.set()

    def announce(self, event_type: str, fields: dict[str, Any]) -> None:
        """Leave an event of ours to be sent, stamped as Celery's dispatcher stamps its own."""
        clock = self.application.clock.forward()
        stamp = {"utcoffset": utcoffset(), "pid": os.getpid(), "clock": clock}
        self.put(event_type, Event(event_type, **stamp, **fields))

    def start(self) -> None:
        """Send from now on, in a thread that ends with the process."""
        threading.Thread(target=self._forever, daemon=True).start()

    def drain(self) -> None:
        """Give the last events a moment to leave."""
        if self.link.up and self._waiting:
            self._sent.wait(GOODBYE_S)

    def _forever(self) -> None:
        while True:
            self._put.wait()
            if self.link.up:
                self._send_while_connected()
            else:
                time.sleep(LOOK_S)

    def _send_while_connected(self) -> None:
        """Send on one connection until it breaks; if nothing was sent, the broker is away."""
        sent = 0
        try:
            with (
                reachable(self.broker_url),
                self.application.connection_for_write() as connection,
                connection.channel() as channel,
            ):
                exchange = get_exchange(connection, name=self.application.conf.event_exchange)
                publish = Producer(channel, exchange=exchange, serializer="json").publish
                while self.link.up:
                    self._put.wait()
                    sent += self._send(publish)
        except BrokerUnreachable as error:
            if not sent:
                self.link.lost(error)

    def _send(self, publish: Callable[..., Any]) -> int:
        """Send what waits, and return how many events that were."""
        self._put.clear()
        sent = 0
        while batch := self._take():
            try:
                _publish(batch, publish)
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                self._put.set()
                raise
            sent += len(batch)
        self._sent.set()
        return sent

    def _take(self) -> list[tuple[str, dict[str, Any]]]:
        """The oldest events that wait, which are then no longer kept."""
        batch: list[tuple[str, dict[str, Any]]] = []
        with contextlib.suppress(IndexError):
            while len(batch) < AT_ONCE:
                batch.append(self._waiting.popleft())
        return batch


def _publish(batch: list[tuple[str, dict[str, Any]]], publish: Callable[..., Any]) -> None:
    """Send task events in one message, as Celery does, and others one by one."""
    if tasks := [event for kind, event in batch if group_from(kind) == "task"]:
        publish(tasks, routing_key="task.multi", delivery_mode=1)
    for kind, event in batch:
        if group_from(kind) != "task":
            publish(event, routing_key=kind.replace("-", "."), delivery_mode=1)


class Dispatcher(EventDispatcher):  # type: ignore[misc]  # celery is not typed
    """Celery's dispatcher, which leaves each event in the outbox of its application."""

    def send(self, type: str, blind: bool = False, **fields: Any) -> None:
        """Leave an event in the outbox, stamped with the time of now."""
        for option in ("utcoffset", "retry", "retry_policy"):
            fields.pop(option, None)
        kind = fields.pop("Event", Event)
        if self.enabled and (not self.groups or group_from(type) in self.groups):
            event = self._prepare_event(type, fields, blind=blind, Event=kind)
            self.app.outbox.put(type, event)

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Does nothing: events wait in the outbox."""


def use_outbox(application: Celery, broker_url: str, link: Link) -> Outbox:
    """Let an application's events go through an outbox, which still has to be started."""
    application.events.dispatcher_cls = Dispatcher
    outbox = application.outbox = Outbox(application, broker_url, link)
    return outbox
