"""Workers that drain a queue of tasks that do nothing: one of `orch`, and one of Celery alone."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consuming import consume_until, plain_worker

from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from workers import main as workers
from workers.devices.discovery import Device
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker
from workers.reconciler import Reconciler
from workers.worker import Worker

WARM_UP = 20
End = tuple[float, str]
"""When a task ended (seconds of `time.perf_counter`), and its kind. Its bookkeeping comes after."""


@dataclass
class Drained:
    """The ends of the tasks so far. `stop` is set when `tasks` of them have ended."""

    tasks: int
    ends: list[End] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def add(self, kind: str) -> None:
        """Record that a task of this kind has just ended."""
        self.ends.append((time.perf_counter(), kind))
        if len(self.ends) >= self.tasks:
            self.stop.set()


def drain(root: Path, broker_url: str, tasks: int) -> dict[str, float]:
    """Work like `orch worker` until `tasks` tasks are done; milliseconds per task.

    The first tasks are not counted.
    """
    store, drained = Store(root), Drained(tasks)
    worker = Worker(
        store, broker_url, "w1", "host", Device("cpu", "cpu", "", 1), None, LeaseTracker(store)
    )
    worker.run_child = lambda request, *_, **__: _empty_result(request, drained)
    consumer, leave = workers._consumer(worker), threading.Event()
    threading.Thread(target=Reconciler(worker).forever, args=(None, leave), daemon=True).start()
    return _timed(consumer, drained)


def drain_celery(broker_url: str, tasks: int) -> dict[str, float]:
    """The same with Celery alone: its tasks do nothing, and there is no store."""
    application, drained = broker.app(broker_url), Drained(tasks)

    @application.task(name="orch.train", shared=False)
    def nothing(task_id: str) -> None:
        drained.add("train")

    return _timed(plain_worker(application), drained)


def _empty_result(request: TaskRequest, drained: Drained) -> dict[str, Any]:
    task = Task.parse(request.task)
    drained.add(task.kind)
    return {"files": {}, "epoch": task.epoch, "seconds": 0.0, "device": "cpu"}


def _timed(consumer: Any, drained: Drained) -> dict[str, float]:
    """Run the consumer; milliseconds per task.

    Means and medians are taken for each kind of task, and then averaged over the kinds. A whole
    plan holds as many trainings as evaluations, but the part that is drained first may not. A
    training enqueues two more tasks when it ends, an evaluation none.
    """
    spent = time.process_time()
    consume_until(drained.stop, consumer)
    spent_ms = (time.process_time() - spent) / drained.tasks * 1000
    gaps = _gaps_ms(drained.ends[min(WARM_UP, drained.tasks // 5) :])
    return {
        "ms": statistics.mean(map(statistics.mean, gaps.values())),
        "median_ms": statistics.mean(map(statistics.median, gaps.values())),
        "worst_ms": max(map(max, gaps.values())),
        "cpu_ms": spent_ms,
    }


def _gaps_ms(ends: Sequence[End]) -> dict[str, list[float]]:
    """Milliseconds from the end of a task to the end of the next, by the kind of the first."""
    gaps: dict[str, list[float]] = {}
    for (began, kind), (ended, _) in itertools.pairwise(ends):
        gaps.setdefault(kind, []).append((ended - began) * 1000)
    return gaps
