"""Dead workers are noticed here: their leases expire, and can be claimed by others.

An observer considers a lease expired when its token file has not changed for `TTL_S` on the
observer's own monotonic clock. Machines therefore need no synchronised clocks. Token files are not
fsynced: a power failure also stops the holder. A token file that was cut short by one counts as
held until it has been observed unchanged for `TTL_S`.

Every worker asks for the leases of ready tasks every two seconds (`reconciler`); in a large fleet
each asks for some of them (`lease_shares`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs import atomic, permissions
from jobs.errors import DamagedFile
from jobs.store import codec
from jobs.store.records import LeaseRecord
from jobs.store.store import Store
from workers.lease import Lease, highest_token, token_of, token_path

TTL_S = 8.0
"""Seconds without renewal after which a lease has expired: its holder is taken for dead."""


@dataclass(slots=True)
class LeaseTracker:
    """What one process has observed of all leases; detects expired ones by its own clock.

    `doubted` are those that were not free when a message asked for their task, and `shared` this
    worker's share at its last look. `told_next` says from when on this worker tells others of an
    expired one (`workers.lease_shares`).
    """

    store: Store
    ttl_s: float = TTL_S
    clock: Callable[[], float] = time.monotonic
    doubted: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    told_next: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, tuple[Any, float]] = field(default_factory=dict)

    def free(self, key: str) -> bool:
        """Whether the lease can be claimed now.

        True if it was never claimed, was released, or has been unchanged for `ttl_s`. Raises
        `NewerRecord` for the lease of a newer worker.
        """
        known = self._seen.get(key)
        if known is None:
            return self._free_after(key, highest_token(self.store, key))
        token, before = known[0]
        record = self._read(key, token)
        if record is not None and record != before and not record.released:
            self._note_renewed(key, token, record)  # no listing is needed
            return False
        highest = highest_token(self.store, key)
        return self._free_after(key, highest, record if highest == token else None)

    def _note_renewed(self, key: str, token: int, record: LeaseRecord | None) -> None:
        if key in self._seen:  # its holder lives
            self.doubted.discard(key)
        self._seen[key] = ((token, record), self.clock())

    def _free_after(self, key: str, token: int, record: LeaseRecord | None = None) -> bool:
        """Whether it is free, given its highest token, and that token's record if known."""
        if token == 0:
            return True
        state = (token, record or self._read(key, token))
        if state[1] is not None and state[1].released:
            return True
        known = self._seen.get(key)
        if known is None or known[0] != state:
            self._note_renewed(key, *state)
            return False
        return self.clock() - known[1] >= self.ttl_s

    def claim(self, key: str, holder: str) -> Lease | None:
        """Claim the lease; None if it is held or another worker claimed it first."""
        seen = highest_token(self.store, key)
        if not self._free_after(key, seen):
            return None
        permissions.refuse_planted_link(self.store.lease_folder(key))
        # Exactly one above the free token: a higher one could revoke a lease claimed just before.
        token = seen + 1
        if not atomic.claim_json(
            token_path(self.store, key, token), codec.encode(LeaseRecord(holder=holder))
        ):
            return None
        self._seen.pop(key, None)
        for name in atomic.list_names(self.store.lease_folder(key)):
            if token_of(name) < token:
                (self.store.lease_folder(key) / name).unlink(missing_ok=True)
        return Lease(self.store, key, token, holder)

    def _read(self, key: str, token: int) -> LeaseRecord | None:
        with contextlib.suppress(DamagedFile):
            return codec.read(token_path(self.store, key, token), LeaseRecord)
        return None
