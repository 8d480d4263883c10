"""Asks a broker again and again whether it answers, on one connection."""

from __future__ import annotations

import contextlib
from typing import Any

from redis.exceptions import ConnectionError as Broken

from workers.messaging import broker
from workers.messaging.refusal import reachable

TIMEOUT_S = 3.0


class Probe:
    """A ping on a connection that is kept: a new one would cost both sides a TLS handshake.

    For one thread. A connection that broke is replaced once before that counts as an outage: Redis
    may have been started again.
    """

    def __init__(self, broker_url: str, timeout_s: float = TIMEOUT_S) -> None:
        self.broker_url, self.timeout_s = broker_url, timeout_s
        self._kept, self._channel = contextlib.ExitStack(), None

    def __call__(self) -> None:
        """Return if the broker answers; raises `BrokerUnreachable` (without the password)."""
        try:
            with reachable(self.broker_url):
                self._ping()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._channel = None
        self._kept.close()

    def _ping(self) -> None:
        if self._channel is not None:
            with contextlib.suppress(Broken):
                self._channel.client.ping()
                return
            self.close()
        channel: Any = self._kept.enter_context(broker.connected(self.broker_url, self.timeout_s))
        channel.client.ping()
        self._channel = channel
