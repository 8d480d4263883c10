"""Handover of a training from a slower worker to a faster one.

The faster worker requests the handover, the slower one stops between two steps, and the faster
one continues. A handover request is a file in the store, valid for one lease token. It does not
bind a worker that later claims the training with a higher token. If the requester dies, the only
cost is one unnecessary stop.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs import atomic
from jobs.errors import DamagedFile, NewerRecord, OrchError
from jobs.store import codec
from jobs.store.records import HandoverRecord, NumericsRecord, RatesRecord, RunningTraining
from jobs.store.requirements import gpu_memory_needed
from jobs.store.store import Store
from jobs.task import Task
from workers import lease
from workers.scheduling import rebalance, throughput

log = logging.getLogger("orch.handover")

MEASURED_S = 5.0
"""Seconds a child must have trained before its measured rate is recorded."""
PATIENCE_S = 15.0
"""Seconds that a requester waits for a training, and that peers leave it to the requester.

Each worker uses its own clock.
"""


@dataclass(frozen=True, slots=True)
class HandoverRequest:
    """A handover request: the training, its holder, and the holder's lease token at that time.

    `since` is when it was made, by the requester's own clock.
    """

    task: Task
    holder: str
    token: int
    since: float


@dataclass(slots=True)
class Handover:
    """The handover state of one worker: its training, measured rates, and handover request.

    `request` is its own request, and `granted_to` is the peer that requested its training.
    `deferred` are trainings it stopped for its own request; they are enqueued when that ends.
    """

    store: Store
    name: str
    host: str
    device: str
    threads: int | None
    clock: Callable[[], float] = time.monotonic
    rates: dict[str, float] = field(default_factory=dict)
    training: rebalance.ActiveTraining | None = None
    request: HandoverRequest | None = None
    deferred: list[Task] = field(default_factory=list)
    granted_to: str | None = None
    _began: float = 0.0
    _last_mark: int = 0
    _reserved: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError, OrchError, TypeError, ValueError):
            path = self.store.pace_path(self.host, self.device)
            values = codec.read_values(path, RatesRecord.FORMAT) or {}
            values.pop(codec.FORMAT_KEY, None)
            self.rates = {
                str(kind): float(rate) for kind, rate in values.items() if float(rate) > 0
            }

    # What this worker measures and reports

    def on_message(self, task: Task, message: dict[str, Any]) -> None:
        """Update the rates from a child's progress message; errors here never end the child."""
        with contextlib.suppress(OSError, OrchError, TypeError, ValueError):
            self._learn(task, message)

    def _learn(self, task: Task, message: dict[str, Any]) -> None:
        done, total, epoch, rate = (
            message.get(key) for key in ("done", "total", "epoch", "images_per_second")
        )
        if (
            task.kind != "train"
            or message.get("phase") != "train"
            or not (total and epoch and rate)
        ):
            return
        if self.training is None or self.training.task != task.id:
            self._began, self._last_mark = (
                self.clock(),
                max(self.store.target_epochs(task.subject), default=task.epoch),
            )
            kind, needs_bytes = self.kind_of(task), gpu_memory_needed(self.store, task)
        else:
            kind, needs_bytes = self.training.kind, self.training.needs_bytes
        left = (self._last_mark - epoch + 1) * total - (done or 0)
        self.training = rebalance.ActiveTraining(task.id, kind, float(max(left, 1)), needs_bytes)
        if self.clock() - self._began >= MEASURED_S:
            self.rates[kind] = float(rate)

    def ended(self, task: Task) -> None:
        """A child has ended: save the measured rates for the next worker on this device."""
        if self.training is not None and self.training.task == task.id:
            self.training = self.granted_to = None
            path = self.store.pace_path(self.host, self.device)
            try:
                codec.refuse_newer(RatesRecord, path)
                atomic.write_json(path, {codec.FORMAT_KEY: RatesRecord.FORMAT, **self.rates})
            except (OSError, OrchError) as error:
                log.warning("the measured rates are not recorded: %s", error)

    def kind_of(self, task: Task) -> str:
        """The kind of a training, as in `throughput.training_kind`.

        It depends on the network, what of it is trained, the image size and, on a CPU, threads.
        """
        trial = self.store.load_trial(task.subject)
        threads = self.threads
        if threads is not None:
            with contextlib.suppress(OSError, DamagedFile):
                numerics = codec.read(self.store.numerics_path(trial.name), NumericsRecord)
                threads = numerics.threads if numerics else threads
        trained = "" if trial.recipe.finetune == "full" else "+head"
        size = self.store.described(trial.data).settings.image_size
        return throughput.training_kind(trial.identity + trained, size, threads)

    @property
    def settled(self) -> bool:
        """Whether no handover is requested from this worker, or by it."""
        return self.request is None and self.granted_to is None

    def running_training(self) -> RunningTraining | None:
        """The training of this worker, as its heartbeat tells its peers."""
        if (training := self.training) is None:
            return None
        return RunningTraining(
            training.task, training.kind, training.images_left, training.needs_bytes
        )

    # The requester

    def ask(self, task: Task, holder: str) -> bool:
        """Request the handover of a training that `holder` works on.

        False if another worker requested it first, the lease was never claimed, or this worker
        already has a request.
        """
        token = lease.highest_token(self.store, task.lease_key)
        if token == 0 or self.request is not None:
            return False
        asked = codec.encode(HandoverRecord(self.name))
        if not atomic.claim_json(self.store.asked_path(task.lease_key, token), asked):
            return False
        log.info("%s: handover requested", task.id)
        self.request = HandoverRequest(task, holder, token, self.clock())
        return True

    def fulfilled(self, task: Task) -> list[Task]:
        """After a claim: if it is the requested training, close the request.

        Returns the trainings that this worker gave up for it; they are to be enqueued.
        """
        if self.request is None or self.request.task.lease_key != task.lease_key:
            return []
        return self.withdraw()

    def late(self) -> list[Task]:
        """Withdraw a request that can no longer succeed; the trainings to enqueue again.

        A request fails once the trial is trained, or after `PATIENCE_S`.
        """
        if self.request is None:
            return []
        last = max(
            self.store.target_epochs(self.request.task.subject), default=self.request.task.epoch
        )
        vain = self.store.is_done(Task("train", self.request.task.subject, last))
        return self.withdraw() if vain or self.clock() - self.request.since > PATIENCE_S else []

    def withdraw(self) -> list[Task]:
        """Withdraw the request and return the trainings that were given up for it."""
        if self.request is not None:
            with contextlib.suppress(OSError):
                self.store.asked_path(self.request.task.lease_key, self.request.token).unlink(
                    missing_ok=True
                )
        self.request, deferred, self.deferred = None, self.deferred, []
        return deferred

    # The holder, and all other peers

    def asker(self, task: Task, token: int) -> str | None:
        """The peer that requested a training while its lease had this token; None if no
        peer did.

        A request that cannot be read is none.
        """
        if task.kind != "train":
            return None
        with contextlib.suppress(OSError, DamagedFile, NewerRecord):
            asked = codec.read(self.store.asked_path(task.lease_key, token), HandoverRecord)
            return asked.by if asked and asked.by != self.name else None
        return None

    def declines(self, task: Task) -> bool:
        """Whether to decline a training.

        True if this worker waits for a different training, or a peer waits for this one.
        """
        if task.kind != "train":
            return False
        if self.request is not None:
            return self.request.task.lease_key != task.lease_key
        token = lease.highest_token(self.store, task.lease_key)
        if self.asker(task, token) is None:
            return False
        return (
            self.clock() - self._reserved.setdefault((task.lease_key, token), self.clock())
            < PATIENCE_S
        )

    def stops(self, task: Task, token: int) -> bool:
        """Whether a child should stop because of a handover; checked once a second.

        Either a peer requested its training, or this worker requested a different one.
        """
        if task.kind != "train":
            return False
        if self.request is not None:
            return self.request.task.lease_key != task.lease_key
        self.granted_to = self.asker(task, token)
        return self.granted_to is not None

    def assign_following(
        self, ended: Task, token: int, tasks: Sequence[Task], done: bool
    ) -> dict[str | None, list[Task]]:
        """The tasks to enqueue after a task has ended, by worker (None: any worker).

        The trial's next training stays on this worker, or goes to the peer that requested it. If
        this worker gave it up for its own request, it is kept in `deferred` and enqueued later.

        The evaluation after a trial's last training also stays on this worker. The study may end
        with that evaluation, and other workers may be slower.
        """
        by, self.granted_to = self.asker(ended, token), None
        by_worker: dict[str | None, list[Task]] = {}
        for task in tasks:
            ours = task.kind == "train" and task.subject == ended.subject
            if ours and by is None and self.request is not None:
                self.deferred.append(task)
            else:
                by_worker.setdefault(
                    (by or (self.name if done else None)) if ours else None, []
                ).append(task)
        if (
            done
            and ended.kind == "train"
            and self.request is None
            and None in by_worker
            and self.name not in by_worker
        ):
            by_worker[self.name] = [by_worker[None].pop(0)]
        return {to: sent for to, sent in by_worker.items() if sent}
