"""A worker of `orch`, and Celery alone, that record when each task begins."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

from consuming import consume_until, plain_worker

from jobs.store.store import Store
from workers import main as workers
from workers.devices.discovery import Device
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker
from workers.process import child
from workers.reconciler import Reconciler
from workers.worker import Worker


def times_of_worker(
    root: Path, broker_url: str, entry: str, tasks: int
) -> dict[str, dict[str, float]]:
    """Work like `orch worker` until `tasks` tasks are done.

    Returns the Unix times at which each task was claimed, entered and begun.
    """
    started: dict[str, dict[str, float]] = {}
    store, leave, over = Store(root), threading.Event(), threading.Event()
    worker = Worker(
        store,
        broker_url,
        "w1",
        "host",
        Device("cpu", "cpu", "", 1),
        None,
        LeaseTracker(store),
        entry=entry,
    )

    def run_child(request: Any, log: Path, on_message: Any, **rest: Any) -> Any:
        when = started[request.task] = {"claimed": time.time()}

        def listen(message: dict[str, Any]) -> None:
            when.setdefault(message["phase"], message.get("at", 0.0))
            on_message(message)

        try:
            return child.run(request, log, on_message=listen, **rest)
        finally:
            if len(started) >= tasks:
                over.set()

    worker.run_child = run_child
    child.start_fork_server()
    child.warm(leave)
    threading.Thread(target=Reconciler(worker).forever, args=(None, leave), daemon=True).start()
    consume_until(over, workers._consumer(worker))
    return started


def gaps_of_celery(broker_url: str, tasks: int) -> list[float]:
    """Celery alone: each empty task enqueues the next. Returns the milliseconds between them."""
    application, begun, over = broker.app(broker_url), list[float](), threading.Event()

    @application.task(name="orch.train", shared=False)
    def nothing(number: int) -> None:
        begun.append(time.perf_counter())
        if number < tasks:
            application.send_task("orch.train", args=[number + 1], priority=8)
        else:
            over.set()

    application.send_task("orch.train", args=[1], priority=8)
    consume_until(over, plain_worker(application))
    return [(after - before) * 1000 for before, after in itertools.pairwise(begun[5:])]
