"""Celery's worker in this process: how the rival's is set up, and how a worker is stopped."""

from __future__ import annotations

import threading
from typing import Any


def plain_worker(application: Any) -> Any:
    """A worker of Celery alone, with the settings that `orch` gives to its own."""
    return application.Worker(
        pool="threads",
        concurrency=1,
        loglevel="INFO",
        without_mingle=True,
        without_gossip=True,
        optimization="fair",
        quiet=True,
    )


def consume_until(stop: threading.Event, consumer: Any) -> None:
    """Run Celery's worker until `stop` is set and its current task is done."""
    from celery.worker import state

    def leave() -> None:
        stop.wait()
        state.should_stop = 0

    threading.Thread(target=leave, daemon=True).start()
    consumer.start()
