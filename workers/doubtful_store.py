"""What a worker says of its store at its start, where that may not be the one that was meant."""

from __future__ import annotations

import contextlib
import logging

from jobs.errors import BrokerUnreachable
from jobs.store.store import Store
from workers.messaging import stores

log = logging.getLogger("orch.worker")


def tell(store: Store, broker_url: str) -> None:
    """Say so if nothing was ever submitted to this store, or if it may be a copy of another."""
    with contextlib.suppress(BrokerUnreachable):
        if other := stores.same_elsewhere(broker_url, store.id, store.root):
            log.warning(
                "the broker knows this store as %s (%s). Is %s a copy? Then it takes the messages "
                "of the other: give one a Redis of its own (docs/backup.md)",
                other.folder,
                other.host,
                store.root,
            )
    if store.run_names():
        return
    with contextlib.suppress(BrokerUnreachable):
        others = [f"{each.folder} ({each.host})" for each in stores.others(broker_url, store.id)]
        log.warning(
            "no run was submitted to the store %s yet; set ORCH_STORE if it is the wrong one%s",
            store.root,
            f". Others on this broker: {', '.join(others[:5])}" if others else "",
        )
