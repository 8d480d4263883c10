"""Celery's Redis transport with three changes.

Invalid messages are dropped, clients are kept, and an error reply counts as a lost connection.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis
from redis.exceptions import ResponseError

log = logging.getLogger("orch.worker")


class Channel(redis.Channel):
    """A channel that survives garbage in the list that it reads."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """A client kept with its pool; kombu creates one per command, which doubles its time."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept

    def _brpop_read(self, **options: Any) -> Any:
        """Deliver the next message; in kombu an invalid one would end the whole worker."""
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error(
                "an invalid message was dropped from the queue: %s: %.200s",
                type(error).__name__,
                error,
            )
            return True


class Transport(redis.Transport):
    """Kombu's transport with our channel.

    Redis answers with an error while its disk is full, after a failover to a replica, or when a
    user's rights change. In kombu such a reply would end the whole worker.
    """

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, ResponseError)
