"""From all heartbeats: which training to request, and which idle worker gets a task."""

from __future__ import annotations

import bisect
import contextlib
import functools
import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobs import atomic, plan
from jobs.errors import BadSpec, DamagedFile, NewerRecord, OrchError
from jobs.store import codec
from jobs.store.fleet_slowdown import UNHURRIED, slowdown
from jobs.store.records import HeartbeatRecord
from jobs.store.requirements import gpu_memory_needed
from jobs.store.store import Store
from jobs.task import Task
from workers.scheduling import rebalance, throughput
from workers.scheduling.handover import Handover

FRESH_S = 8.0
"""A worker whose heartbeat is older than this, by the reader's clock, is ignored."""
MAX_READ = 16
"""Heartbeats that are all read at each look. In a larger fleet it is one's own and `SAMPLE` others.
"""
SAMPLE = 2
SAME_LOOKS = 5
"""Looks at the same sample: from a single one nobody can tell who is alive."""
MAX_WATCHED = 32
"""Leases that every worker watches; of more, each watches a share in a large fleet."""
WATCHERS = 3
"""Workers that watch each lease in a fleet of more than `UNHURRIED`."""
SHARE_S = 60.0
"""Seconds after which another worker watches a lease: the first may be dead."""
MAX_WAITING = 50
"""With more waiting trainings than this, none is reassigned: all workers stay busy for long."""


@dataclass(slots=True)
class Peers:
    """The heartbeats of the workers, as read by one worker: all, or a sample of a large fleet.

    `any_required` is false while no run requires anything of a device.
    """

    store: Store
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[Any, float]] = field(default_factory=dict)
    _images: dict[str, float] = field(default_factory=dict)
    _costs: dict[str, float] = field(default_factory=dict)
    _last: tuple[rebalance.Peer, ...] = ()
    any_required: bool = True
    _names: list[str] = field(default_factory=list)
    _sample: list[str] = field(default_factory=list)
    _looks: int = 0

    @property
    def workers(self) -> int:
        """How many workers have a heartbeat, by the listing made last."""
        return len(self._names)

    def peers(self, own: str = "", waiting: int = 0) -> tuple[rebalance.Peer, ...]:
        """The workers with a recent, valid heartbeat; call this every few seconds.

        Of a large fleet these are some, chosen at random, or none while so many trainings wait that
        nothing would be reassigned.
        """
        self._names = names = atomic.list_names(self.store.heartbeats_folder)
        if len(names) > MAX_READ:
            names = self._sampled(f"{own}.json") if waiting <= MAX_WAITING else []
        peers = [self._read_peer(name) for name in names]
        self._last = tuple(peer for peer in peers if peer is not None)
        return self._last

    def _sampled(self, own: str) -> list[str]:
        """This worker and some others, the same ones for a few looks."""
        if self._looks % SAME_LOOKS == 0 or not set(self._sample) <= set(self._names):
            self._seen.clear()
            self._looks, self._sample = 0, random.sample(self._names, SAMPLE)
        self._looks += 1
        return sorted({own, *self._sample} & set(self._names))

    def share_of(
        self, own: str, keys: Sequence[str], now: Callable[[], float] = time.time
    ) -> list[str]:
        """Those of some leases that this worker watches: all of few, else its share of them.

        A lease is watched by the workers that follow it on a circle of hashes (consistent hashing):
        a worker or lease that comes, goes or is missed by a listing moves hardly any other. In the
        next minute others watch it, for some may be dead. In a fleet of up to `UNHURRIED` workers
        each watches about `MAX_WATCHED` leases.
        """
        few = len(self._names) <= MAX_READ or len(keys) <= MAX_WATCHED
        if few or f"{own}.json" not in self._names:
            return list(keys)
        minute, number = int(now() // SHARE_S), len(self._names)
        many = MAX_WATCHED * number // len(keys) if number <= UNHURRIED else 0
        watchers, steps = max(WATCHERS, many), self._steps_from(own, minute)
        return [key for key in sorted(keys) if steps(key) < watchers]

    def turn_of(self, own: str, key: str, now: Callable[[], float] = time.time) -> int:
        """This worker's place among the watchers of a lease, from 0; of no watcher, the last."""
        if f"{own}.json" not in self._names:
            return len(self._names)
        return self._steps_from(own, int(now() // SHARE_S))(key)

    def _steps_from(self, own: str, minute: int) -> Callable[[str], int]:
        """How many workers stand on the circle between a lease and this worker."""
        circle = sorted(_place(name, minute) for name in self._names)
        ours = circle.index(_place(f"{own}.json", minute))
        return lambda key: (ours - bisect.bisect(circle, _place(key, minute))) % len(circle)

    def rank(self, name: str) -> int:
        """The place of a worker among the idle ones, from 0, by the heartbeats read last."""
        if len(self._names) > MAX_READ:
            return random.randrange(len(self._names))
        return sum(1 for peer in self._last if not peer.busy and peer.name < name)

    def all_fit(self, task: Task) -> bool:
        """Whether every worker, by the heartbeats read last, has what a task requires.

        False where not all are known, as in a large fleet, and for benchmarks beside other workers,
        which may be of another host.
        """
        if task.way is not None:
            return len(self._names) <= 1
        with contextlib.suppress(OSError, OrchError):
            if (needs_bytes := self._needs(task)) == 0:
                return True
            known = bool(self._last) and len(self._names) <= MAX_READ
            return known and all(peer.gpu_bytes >= needs_bytes for peer in self._last)
        return False

    def wanted(self, ours: Handover, waiting: Sequence[Task]) -> rebalance.Reassignment | None:
        """The training that this worker should take over now; None if there is none.

        Uses the heartbeats read last. `waiting` are trainings that no worker holds.
        """
        waiting = [task for task in waiting if self._may(self._last, task)]
        if len(waiting) > MAX_WAITING or not any(
            peer.training for peer in self._last if peer.name != ours.name
        ):
            return None
        reassignments = rebalance.reassignments(self._last, self._whole(ours, waiting), self._costs)
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
            able = [peer for peer in idle if not peer.busy]
            trainings = [task for task in tasks if task.kind == "train" and self._may(able, task)]
            whole = self._whole(ours, trainings[:MAX_WAITING])
            by = rebalance.assign_trainings(idle, whole, self._costs)
        for task in tasks:
            by_worker.setdefault(by.get(task.id), []).append(task)
        return by_worker

    def _needs(self, task: Task) -> int:
        return gpu_memory_needed(self.store, task) if self.any_required else 0

    def _may(self, peers: Sequence[rebalance.Peer], task: Task) -> bool:
        """Whether one of them has what a training requires: else it would hold up others."""
        needs_bytes = self._needs(task)
        return needs_bytes == 0 or any(peer.gpu_bytes >= needs_bytes for peer in peers)

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
        kind, left = ours.kind_of(task), epochs * self._images[data]
        self._learn_cost(task, kind)
        return rebalance.ActiveTraining(task.id, kind, left, self._needs(task))

    def _learn_cost(self, task: Task, kind: str) -> None:
        """Remember the cost of a network outside the catalog, as its run recorded it."""
        if throughput.work(kind, self._costs) is None:
            self._costs[kind] = plan.cost_of(self.store, task, plan.image_cost)

    def _read_peer(self, file: str) -> rebalance.Peer | None:
        with contextlib.suppress(OSError, DamagedFile, NewerRecord, BadSpec):
            sign = codec.read(self.store.heartbeats_folder / file, HeartbeatRecord)
            if sign is None or sign.rates is None or sign.drained or not self._fresh(file, sign.at):
                return None
            training, alone = sign.training, sign.slots == 1
            active = None
            if training is not None:
                task, left = Task.parse(training.task), float(training.left)
                self._learn_cost(task, training.kind)
                active = rebalance.ActiveTraining(
                    task.id, training.kind, left, training.needs_bytes
                )
            return rebalance.Peer(
                sign.name,
                {kind: float(rate) for kind, rate in sign.rates.items() if rate > 0},
                sign.busy,
                active,
                sign.settled and alone,
                sign.model if alone else "",
                sign.gpu_memory_bytes,
            )
        return None

    def _fresh(self, file: str, at: float) -> bool:
        seen = self._seen.get(file)
        if seen is None or seen[0] != at:
            # The first heartbeat seen may be the last one of a worker that died.
            self._seen[file] = (at, float("-inf") if seen is None else self.clock())
            return seen is not None
        return self.clock() - seen[1] < FRESH_S * slowdown(len(self._names))


@functools.lru_cache(maxsize=4096)
def _place(name: str, minute: int) -> bytes:
    """Where a worker or a lease is on the circle in this minute."""
    return hashlib.blake2b(f"{name} {minute}".encode(), digest_size=8).digest()
