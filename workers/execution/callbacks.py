"""Callbacks of a running child: progress reporter, stop condition, lease renewer."""

from __future__ import annotations

import logging
import time

from jobs import atomic
from jobs.errors import OrchError, StorageFull
from jobs.store import codec
from jobs.store.records import ProgressRecord
from jobs.task import Task
from workers.devices import memory
from workers.execution.attempts import Attempt
from workers.lease import RENEW_S, TTL_S, Lease
from workers.process.child_main import Message
from workers.scheduling.scheduler import LOOK_S
from workers.worker import Worker

log = logging.getLogger("orch.worker")

TELL_S = 1.0


class ProgressReporter:
    """Write progress at most once a second, for `orch watch` and `orch status`; pass on memory."""

    def __init__(self, worker: Worker, task: Task, attempt: Attempt) -> None:
        self.path, self.admission, self.scheduler, self.task = (
            worker.store.progress_path(task),
            worker.admission,
            worker.scheduler,
            task,
        )
        self.on_gpu = worker.device.kind == "cuda"
        self.who = {
            "task": task.id,
            "attempt": attempt.number,
            "worker": worker.name,
            "host": worker.host,
            "device": worker.device.name,
        }
        self.last = 0.0

    def __call__(self, message: Message) -> None:
        if isinstance(taken := message.get("memory_bytes"), int):
            self.admission.on_memory(
                self.task.id, memory.on_gpu(taken, taken) if self.on_gpu else taken
            )
        self.scheduler.on_message(self.task, message)
        if time.monotonic() - self.last >= TELL_S * self.scheduler.slowdown:
            self.last = time.monotonic()
            try:
                values = {**message, **self.who, "at": time.time()}
                record = codec.decode(self.path, values, ProgressRecord)
                atomic.write_json(self.path, codec.encode(record), durable=False)
            except (OrchError, OSError) as error:
                log.warning("cannot write progress: %s", error)


class StopCondition:
    """Whether a child should stop: worker stops or is drained, run cancelled, or handover."""

    def __init__(self, worker: Worker, task: Task, token: int) -> None:
        self.worker, self.task, self.last, self.unwanted = worker, task, time.monotonic(), False
        self.token, self.looked = token, self.last

    def __call__(self) -> bool:
        slowdown = self.worker.scheduler.slowdown
        every_s = RENEW_S * slowdown
        if time.monotonic() - self.last >= every_s and not self.unwanted:
            self.last = time.monotonic()
            older_than_s = every_s if slowdown > 1 else 0.0
            self.worker.drain.look(self.worker.admission.tasks, older_than_s)
            self.unwanted = not self.worker.store.wanted_by(self.task)
            if self.unwanted:
                log.warning(
                    "%s: no run needs this task any more: cancelled, or the record of the run is "
                    "damaged (see: orch status)",
                    self.task.id,
                )
        if time.monotonic() - self.looked >= LOOK_S * slowdown and not self.unwanted:
            self.looked = time.monotonic()
            self.unwanted = self.worker.scheduler.stops(self.task, self.token)
        return self.unwanted or self.worker.drain.stops or self.worker.stop.is_set()


class LeaseRenewer:
    """Renew the lease while the child lives; returns whether it is still held."""

    def __init__(self, lease: Lease) -> None:
        self.lease, self.last, self.held = lease, time.monotonic(), True
        self.renewed = self.last

    def __call__(self) -> bool:
        if self.held and time.monotonic() - self.last >= RENEW_S:
            self.last = time.monotonic()
            try:
                self.held = self.lease.renew()
                self.renewed = self.last
            except (OSError, StorageFull) as error:
                log.warning("cannot renew the lease on %s: %s", self.lease.key, error)
                if self.last - self.renewed > TTL_S:
                    raise StorageFull(
                        f"cannot renew the lease on {self.lease.key}: {error}"
                    ) from error
        return self.held
