"""Celery's consumer, which reconnects after every error of the broker with growing waits."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.worker import consumer, state
from celery.worker.consumer.consumer import CONNECTION_ERROR, CONNECTION_RETRY

from workers.messaging.link import Link, pause_s
from workers.messaging.refusal import UNREACHABLE, explained

STEP_S = 0.1
STABLE_S = 10.0
"""After a connection that lasted this long, waits start short again."""


class Consumer(consumer.Consumer):  # type: ignore[misc]  # celery is not typed
    """Receives messages; an error reply of Redis is a lost connection like any other."""

    def __init__(self, *args: Any, link: Link, broker_url: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link, self.broker_url = link, broker_url
        self._tries, self._connected_at = 0, time.monotonic()

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long that takes; raises `WorkerShutdown` when asked to stop."""
        while True:
            try:
                conn.ensure_connection(max_retries=0)
            except UNREACHABLE as error:
                self._lost(error)
                continue
            self.first_connection_attempt = False
            self._connected_at = time.monotonic()
            return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop the connection and wait before the next one."""
        if time.monotonic() - self._connected_at > STABLE_S:
            self._tries = 0
        super().on_connection_error_after_connected(exc)
        self._lost(exc)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait before the next try."""
        self._lost(exc)

    def reconnect(self, why: str) -> None:
        """Reconnect; runs in the receiving thread."""
        self.hub.call_soon(self._drop, why)

    def _drop(self, why: str) -> None:
        raise ConnectionResetError(why)

    def _lost(self, error: Exception) -> None:
        """Report the outage once, then wait; raises `WorkerShutdown` when asked to stop."""
        self._tries += 1
        if not isinstance(error, ConnectionResetError) or error.errno is not None:
            self.link.lost(explained(self.broker_url, error))
        until = time.monotonic() + pause_s(self._tries)
        while time.monotonic() < until:
            state.maybe_shutdown()
            time.sleep(STEP_S)


class ToldElsewhere(logging.Filter):
    """Drops what Celery logs about a lost connection: `Link` logs it once, in fewer words."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to keep a record."""
        said = (record.msg, *(record.args if isinstance(record.args, tuple) else ()))
        return CONNECTION_ERROR not in said and CONNECTION_RETRY not in said


def install_filter() -> None:
    """Silence the lines of Celery and kombu about lost connections."""
    logging.getLogger(consumer.consumer.__name__).addFilter(ToldElsewhere())
    logging.getLogger("kombu.transport.redis").setLevel(logging.ERROR)
