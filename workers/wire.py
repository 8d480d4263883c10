"""Redis as Celery's transport, with one difference: what is no message is dropped, and the worker lives on."""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis

log = logging.getLogger("orch.worker")


class Channel(redis.Channel):
    """Kombu's channel; anyone who can reach the broker can put rubbish into the list that it reads."""

    def _brpop_read(self, **options: Any) -> Any:
        """Deliver the next message; kombu itself lets one that is no message end the whole worker."""
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("what is no message was dropped from the queue: %s: %.200s", type(error).__name__, error)
            return True


class Transport(redis.Transport):
    """Kombu's transport with our channel."""

    Channel = Channel
