"""Leases with fencing tokens: the time-limited right to work on one task.

A lease is a folder of token files in the store; the highest token holds it. Claiming it creates
the next higher token (`O_EXCL`, atomic on NFS from version 3). The holder sends heartbeats by
rewriting its token file. An observer considers a lease expired when the file has not changed for
`TTL_S` on the observer's own monotonic clock. Machines therefore need no synchronised clocks.
Token files are not fsynced: a power failure also stops the holder. A token file truncated by one
counts as held until it has been observed unchanged for `TTL_S`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobs import atomic, permissions
from jobs.errors import DamagedFile
from jobs.store import codec
from jobs.store.records import LeaseRecord
from jobs.store.store import Store

log = logging.getLogger("orch.lease")

TTL_S = 8.0
RENEW_S = 2.0
LOOK_EVERY = 4
"""Renewals from one look for a higher token to the next.

Whoever claims a lease removes the lower token, so renewing it fails. The look finds the token of a
claimer that died before it removed ours.
"""


@dataclass(slots=True)
class Lease:
    """A claimed lease. It is held until it is released or a higher token exists."""

    store: Store
    key: str
    token: int
    holder: str
    beats: int = 0

    def holds(self) -> bool:
        """Whether no higher token has been claimed."""
        return highest_token(self.store, self.key) == self.token

    def renew(self) -> bool:
        """Send one heartbeat; False when the lease was lost."""
        if self.beats % LOOK_EVERY == 0 and not self.holds():
            return False
        self.beats += 1
        return self._write(released=False)

    def release(self) -> None:
        """Release the lease, so that it can be claimed at once; does nothing if it was lost."""
        if self.holds():
            self._write(released=True)

    def _write(self, released: bool) -> bool:
        """Rewrite the token file; False when it no longer exists, or is not this user's any more.

        Another worker that claims the lease removes it.
        """
        record = LeaseRecord(holder=self.holder, beats=self.beats, released=released)
        try:
            atomic.rewrite_json(_path(self.store, self.key, self.token), codec.encode(record))
        except FileNotFoundError:
            return False
        return True


class _Keeper:
    """Renews all leases in one thread.

    A thread per task would cost each task half a millisecond.
    """

    def __init__(self) -> None:
        self.lock, self.leases = threading.Lock(), list[Lease]()
        self.thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Start renewing a lease."""
        with self.lock:
            self.leases.append(lease)
            if self.thread is None or not self.thread.is_alive():  # a fork has no threads
                self.thread = threading.Thread(target=self._forever, daemon=True)
                self.thread.start()

    def remove(self, lease: Lease) -> None:
        """Stop renewing a lease; it is not written again after this returns."""
        with self.lock:
            self.leases = [each for each in self.leases if each is not lease]

    def _forever(self) -> None:
        while True:
            time.sleep(RENEW_S)
            with self.lock:
                for lease in self.leases:
                    try:
                        lease.renew()
                    except Exception as error:  # the others must be renewed all the same
                        log.warning("the lease on %s could not be renewed: %s", lease.key, error)


_KEEPER = _Keeper()


@contextlib.contextmanager
def keep_renewed(lease: Lease) -> Iterator[None]:
    """Renew a lease during a long operation.

    Publishing a data set and computing its checksums may take a minute.
    """
    _KEEPER.add(lease)
    try:
        yield
    finally:
        _KEEPER.remove(lease)


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
            _path(self.store, key, token), codec.encode(LeaseRecord(holder=holder))
        ):
            return None
        self._seen.pop(key, None)
        for name in atomic.list_names(self.store.lease_folder(key)):
            if _token(name) < token:
                (self.store.lease_folder(key) / name).unlink(missing_ok=True)
        return Lease(self.store, key, token, holder)

    def _read(self, key: str, token: int) -> LeaseRecord | None:
        with contextlib.suppress(DamagedFile):
            return codec.read(_path(self.store, key, token), LeaseRecord)
        return None


def highest_token(store: Store, key: str) -> int:
    """The highest token of a lease; 0 when it was never claimed."""
    return max((_token(name) for name in atomic.list_names(store.lease_folder(key))), default=0)


def _token(name: str) -> int:
    stem = name.removesuffix(".json")
    return int(stem) if stem.isdecimal() else 0


def _path(store: Store, key: str, token: int) -> Any:
    return store.lease_folder(key) / f"{token:08d}.json"
