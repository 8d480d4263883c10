"""Tasks of lost workers in a fleet so large that no worker watches every lease.

Each lease is watched by a few workers. One that sees it expire may have no free slot: it enqueues
the task. Whoever gets that message has not watched the lease, so it does from then on (a lease is
`doubted`), and begins the task once it has seen for itself that nobody renews it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from jobs.errors import BrokerUnreachable
from jobs.task import Task
from workers.messaging import broker
from workers.worker import Worker

log = logging.getLogger("orch.reconciler")


def watched(worker: Worker, claimed: Collection[str]) -> set[str]:
    """Of leases that were claimed at some time, this worker's share and those it doubts.

    What was its share at the last look too: looks may be rare, and an expired lease is one that
    was seen twice.
    """
    leases, before = worker.leases, worker.leases.shared
    leases.doubted &= set(claimed)
    leases.shared = set(worker.placement.share_of(sorted(claimed)))
    return leases.shared | (before & set(claimed)) | leases.doubted


def enqueue(worker: Worker, expired: Sequence[Task]) -> None:
    """Enqueue them for workers with a free slot, unless messages wait already."""
    if not expired or not worker.placement.shares_leases or not worker.link.up:
        return
    try:
        if broker.queue_length(worker.broker_url, store=worker.store_id) == 0:
            worker.sender.send(expired)
    except BrokerUnreachable as error:
        worker.link.lost(error)
