"""Leases with fencing tokens: the time-limited right to work on one task.

A lease is a folder of token files in the store; the highest token holds it. Claiming it creates
the next higher token (`O_EXCL`, atomic on NFS from version 3). The holder renews it by rewriting
its token file. Who claims a lease, and how a dead holder is noticed, is in `lease_expiry`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs import atomic
from jobs.store import codec
from jobs.store.records import LeaseRecord
from jobs.store.store import Store

log = logging.getLogger("orch.lease")

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
            atomic.rewrite_json(token_path(self.store, self.key, self.token), codec.encode(record))
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


def highest_token(store: Store, key: str) -> int:
    """The highest token of a lease; 0 when it was never claimed."""
    return max((token_of(name) for name in atomic.list_names(store.lease_folder(key))), default=0)


def token_of(name: str) -> int:
    """The token that a file of a lease is named after; 0 for another file."""
    stem = name.removesuffix(".json")
    return int(stem) if stem.isdecimal() else 0


def token_path(store: Store, key: str, token: int) -> Path:
    """Where a token of a lease is."""
    return store.lease_folder(key) / f"{token:08d}.json"
