"""Callbacks of a running child: progress reporter, stop condition, lease renewer."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path

from jobs import atomic
from jobs.errors import OrchError, StorageFull
from jobs.store import codec
from jobs.store.records import ProgressRecord
from jobs.task import Task
from workers.devices import memory
from workers.execution.attempts import Attempt
from workers.lease import RENEW_S, Lease
from workers.lease_expiry import TTL_S
from workers.process.child_main import Message
from workers.scheduling.interface import LOOK_S
from workers.worker import Worker

log = logging.getLogger("orch.worker")

TELL_S = 1.0
MAX_LOG_BYTES = 4_000_000
LOG_S = 5.0
WHOLE_LOOK_EVERY = 4
"""In a large fleet, looks from one at everything that ends a task to the next.

In between a worker asks only whether the run that wanted the task was cancelled.
"""


class ProgressReporter:
    """Write progress at most once a second, for `orch watch` and `orch status`; pass on memory.

    `facts` holds the last report of each key.
    """

    def __init__(self, worker: Worker, task: Task, attempt: Attempt) -> None:
        self.path, self.admission, self.placement, self.task = (
            worker.store.progress_path(task),
            worker.admission,
            worker.placement,
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
        self.facts: Message = {}

    def __call__(self, message: Message) -> None:
        self.facts |= message
        if isinstance(taken := message.get("memory_bytes"), int):
            self.admission.on_memory(
                self.task.id, memory.on_gpu(taken, taken) if self.on_gpu else taken
            )
        self.placement.on_message(self.task, message)
        if time.monotonic() - self.last >= TELL_S * self.placement.slowdown:
            self.last = time.monotonic()
            try:
                values = {**message, **self.who, "at": time.time()}
                record = codec.decode(self.path, values, ProgressRecord)
                atomic.write_json(self.path, codec.encode(record), durable=False)
            except (OrchError, OSError) as error:
                log.warning("cannot write progress: %s", error)


class StopCondition:
    """Whether a child should stop: worker stops or is drained, run cancelled, or handover.

    `reason` says why, in a few words. `by_person`: a person has stopped it for good.
    """

    def __init__(self, worker: Worker, task: Task, token: int, celery_id: str = "") -> None:
        self.worker, self.task, self.last = worker, task, time.monotonic()
        self.token, self.looked, self.celery_id = token, self.last, celery_id
        self.reason, self.by_person = "", False
        self.wanting, self.looks = "", 0

    def __call__(self) -> bool:
        if not self.reason:
            self.reason = self._unwanted() or self._asked_for() or self._of_worker()
        return bool(self.reason)

    def _unwanted(self) -> str:
        """Why a person wants this attempt no more."""
        if self.celery_id and self.celery_id in self.worker.terminated:
            self.by_person = True
            return "terminated by remote control; the task is tried again"
        slowdown = self.worker.placement.slowdown
        if time.monotonic() - self.last < RENEW_S * slowdown:
            return ""
        self.last = time.monotonic()
        older_than_s = RENEW_S * slowdown if slowdown > 1 else 0.0
        self.worker.drain.look(self.worker.admission.tasks, older_than_s)
        if self._is_wanted(seldom=slowdown > 1):
            return ""
        log.warning(
            "%s: no run needs this task any more: cancelled, or the record of the run is "
            "damaged (see: orch status)",
            self.task.id,
        )
        self.by_person = True
        return "no run needs it any more"

    def _is_wanted(self, seldom: bool) -> bool:
        """Whether a run wants the task; with `seldom` all that says so is read at few looks."""
        store, self.looks = self.worker.store, self.looks + 1
        briefly = seldom and self.wanting and self.looks % WHOLE_LOOK_EVERY
        if briefly and not store.is_cancelled(self.wanting):
            return True
        runs = store.wanted_by(self.task)
        self.wanting = runs[-1].name if runs else ""
        return bool(runs)

    def _asked_for(self) -> str:
        """Whether a peer has asked for the training."""
        if time.monotonic() - self.looked < LOOK_S * self.worker.placement.slowdown**2:
            return ""
        self.looked = time.monotonic()
        stops = self.worker.placement.stops(self.task, self.token)
        return "handed over to another worker" if stops else ""

    def _of_worker(self) -> str:
        if self.worker.stop.is_set():
            return "the worker stops; the task is tried again"
        return "the worker is drained; the task is tried again" if self.worker.drain.stops else ""


class LogLimit:
    """Keep the log of an attempt small: what a network prints for each batch fills disks.

    The beginning is kept, and what is written last.
    """

    def __init__(self, log: Path, max_bytes: int = MAX_LOG_BYTES, every_s: float = LOG_S) -> None:
        self.log, self.max_bytes, self.last = log, max_bytes, time.monotonic()
        self.every_s = every_s

    def __call__(self) -> None:
        """Cut the log if it is too long; looks every `every_s` at most."""
        if time.monotonic() - self.last < self.every_s:
            return
        self.last = time.monotonic()
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > self.max_bytes:
                os.truncate(self.log, self.max_bytes // 2)  # the child appends, wherever it ends
                with self.log.open("ab") as handle:
                    handle.write(b"\n... some output was left out here: the log was too long ...\n")


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
