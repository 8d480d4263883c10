"""Tasks of lost workers in a fleet so large that no worker watches every lease.

Each lease is watched by a few workers. One that sees it expire begins its task. If it has no free
slot, it enqueues the task. The worker that gets that message starts to watch the lease (it is then
`doubted`), and begins the task once it has itself seen no renewal for `TTL_S`. The watchers take
turns, because more messages would not make this faster.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

from jobs.errors import BrokerUnreachable
from jobs.task import Task
from workers.lease_expiry import TTL_S
from workers.messaging import broker
from workers.scheduling.interface import MAX_WATCHED, WATCHERS
from workers.worker import Worker

log = logging.getLogger("orch.reconciler")

TURN_S = 1.5 * TTL_S
"""Seconds that who was told has to see that nobody renews the lease, before others are told."""
MAX_TURNS = -(-MAX_WATCHED // WATCHERS)


def watched(worker: Worker, claimed: Collection[str]) -> set[str]:
    """Of leases that were claimed at some time, this worker's share and those it doubts.

    What was its share at the last look too: looks may be rare, and an expired lease is one that
    was seen twice.
    """
    leases, before = worker.leases, worker.leases.shared
    leases.doubted &= set(claimed)
    leases.shared = set(worker.placement.share_of(sorted(claimed)))
    return leases.shared | (before & set(claimed)) | leases.doubted


def enqueue(
    worker: Worker, expired: Sequence[Task], clock: Callable[[], float] = time.monotonic
) -> None:
    """Enqueue those whose turn it is for workers with a free slot, unless messages wait already.

    `WATCHERS` watchers of a lease tell at once, others a turn later: the first may be dead.
    """
    now, told_next = clock(), worker.leases.told_next
    if not worker.placement.shares_leases:
        expired = []
    for task in expired:
        told_next.setdefault(task.lease_key, now + TURN_S * _turn(worker, task))
    for key in told_next.keys() - {task.lease_key for task in expired}:
        del told_next[key]
    due = [task for task in expired if told_next[task.lease_key] <= now]
    if not due or not worker.link.up:
        return
    try:
        if broker.queue_length(worker.broker_url, store=worker.store_id):
            return
    except BrokerUnreachable as error:
        worker.link.lost(error)
        return
    worker.sender.send(due)
    turns = _turns(worker)
    again = now + (TURN_S * turns if turns > 1 else TTL_S)
    told_next.update((task.lease_key, again) for task in due)


def _turns(worker: Worker) -> int:
    """How many turns there are until all watchers of a lease have told others."""
    if worker.placement.slowdown > 1:
        return 1
    return min(MAX_TURNS, worker.placement.peers.workers // WATCHERS)


def _turn(worker: Worker, task: Task) -> int:
    """From 0; of a worker that doubts a lease and is not among its watchers, the last."""
    return min(_turns(worker) - 1, worker.placement.turn_of(task.lease_key) // WATCHERS)
