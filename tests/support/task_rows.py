"""The rows that Celery's monitors show: its own state machine, fed by the events of a store."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import redis
from celery.events.state import State, Task

from workers.messaging import broker


class TaskRows:
    """Collects the events of a store's workers in a thread of its own, as Flower does."""

    def __init__(self, url: str, store: str) -> None:
        self.application, self.state = broker.app(url, store), State()
        self.ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.ready.wait(10), "no connection for events"

    def all(self) -> list[Task]:
        """The rows so far, the first to arrive first."""
        return list(self.state.tasks.values())

    def of(self, word: str) -> list[Task]:
        """The rows whose arguments hold a word, such as the id of a task."""
        return [row for row in self.all() if word in (row.args or "")]

    def in_state(self, state: str) -> list[Task]:
        """The rows in one of Celery's states."""
        return [row for row in self.all() if row.state == state]

    def _listen(self) -> None:
        with (
            contextlib.suppress(redis.RedisError, OSError),
            self.application.connection_for_read() as connection,
        ):
            receiver = self.application.events.Receiver(
                connection, handlers={"*": self.state.event}
            )
            with receiver.consumer_context() as (own_connection, _, _):
                self.ready.set()
                self._drain(own_connection)

    def _drain(self, connection: Any) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=1)
