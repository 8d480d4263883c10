"""Heartbeats of all workers: which training to take over, and which worker begins which task."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobs import atomic
from jobs.errors import BadSpec, DamagedFile, NewerRecord, OrchError
from jobs.store import codec
from jobs.store.records import HeartbeatRecord
from jobs.store.store import Store
from jobs.task import Task
from workers.scheduling import rebalance
from workers.scheduling.handover import Handover

FRESH_S = 8.0
"""A worker whose heartbeat is older than this, by the reader's clock, is ignored."""
MAX_WAITING = 50
"""With more waiting trainings than this, none is reassigned: all workers stay busy for long."""


@dataclass(slots=True)
class Peers:
    """The heartbeats of all workers, as read by one worker."""

    store: Store
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[Any, float]] = field(default_factory=dict)
    _images: dict[str, float] = field(default_factory=dict)
    _last: tuple[rebalance.Peer, ...] = ()

    def peers(self) -> tuple[rebalance.Peer, ...]:
        """The workers with a recent, valid heartbeat; call this every few seconds."""
        peers = [self._read_peer(name) for name in atomic.list_names(self.store.heartbeats_folder)]
        self._last = tuple(peer for peer in peers if peer is not None)
        return self._last

    def rank(self, name: str) -> int:
        """The place of a worker among the idle ones, from 0, by the heartbeats read last."""
        return sum(1 for peer in self._last if not peer.busy and peer.name < name)

    def wanted(self, ours: Handover, waiting: Sequence[Task]) -> rebalance.Reassignment | None:
        """The training that this worker should take over now; None if there is none.

        Uses the heartbeats read last. `waiting` are trainings that no worker holds.
        """
        if len(waiting) > MAX_WAITING or not any(
            peer.training for peer in self._last if peer.name != ours.name
        ):
            return None
        reassignments = rebalance.reassignments(self._last, self._whole(ours, waiting))
        return next((each for each in reassignments if each.taker == ours.name), None)

    def placed(
        self, ours: Handover, tasks: Sequence[Task], *free: str
    ) -> dict[str | None, list[Task]]:
        """Tasks that became ready, by the worker that should begin them (None: any worker).

        Uses the heartbeats read last. `free` are workers known to be idle, whatever their last
        heartbeat says.
        """
        idle = [
            replace(peer, busy=False, training=None, settled=True) if peer.name in free else peer
            for peer in self._last
        ]
        by, by_worker = dict[str, str](), dict[str | None, list[Task]]()
        with contextlib.suppress(OSError, OrchError, TypeError, ValueError):
            trainings = [task for task in tasks if task.kind == "train"]
            by = rebalance.assign_trainings(idle, self._whole(ours, trainings[:MAX_WAITING]))
        for task in tasks:
            by_worker.setdefault(by.get(task.id), []).append(task)
        return by_worker

    def _whole(self, ours: Handover, tasks: Sequence[Task]) -> list[rebalance.ActiveTraining]:
        """Waiting trainings, with the images left until the last target epoch of their trial.

        A training that cannot be estimated is left out.
        """
        return [training for task in tasks if (training := self._one(ours, task)) is not None]

    def _one(self, ours: Handover, task: Task) -> rebalance.ActiveTraining | None:
        data = self.store.load_trial(task.subject).data
        if data not in self._images:
            prepared = self.store.done(Task("prepare", data))
            classes = (prepared and prepared.classes) or {}
            self._images[data] = float(sum(counts["train"] for counts in classes.values()))
        target_epochs = self.store.target_epochs(task.subject)
        epochs = max(target_epochs, default=0) - max(
            (epoch for epoch in target_epochs if epoch < task.epoch), default=0
        )
        if epochs * self._images[data] <= 0:
            return None
        return rebalance.ActiveTraining(task.id, ours.kind_of(task), epochs * self._images[data])

    def _read_peer(self, file: str) -> rebalance.Peer | None:
        with contextlib.suppress(OSError, DamagedFile, NewerRecord, BadSpec):
            sign = codec.read(self.store.heartbeats_folder / file, HeartbeatRecord)
            if sign is None or sign.rates is None or sign.drained or not self._fresh(file, sign.at):
                return None
            training, alone = sign.training, sign.slots == 1
            active = None
            if training is not None:
                task = Task.parse(training.task).id
                active = rebalance.ActiveTraining(task, training.kind, float(training.left))
            return rebalance.Peer(
                sign.name,
                {kind: float(rate) for kind, rate in sign.rates.items() if rate > 0},
                sign.busy,
                active,
                sign.settled and alone,
                sign.model if alone else "",
            )
        return None

    def _fresh(self, file: str, at: float) -> bool:
        seen = self._seen.get(file)
        if seen is None or seen[0] != at:
            # The first heartbeat seen may be the last one of a worker that died.
            self._seen[file] = (at, float("-inf") if seen is None else self.clock())
            return seen is not None
        return self.clock() - seen[1] < FRESH_S
