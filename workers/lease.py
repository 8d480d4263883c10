"""The right to work on one task, for a while, with a token that only rises.

A lease is a folder of token files in the store; the highest token holds it. Taking it is creating the next higher
token (`O_EXCL`, atomic on NFS since its version 3). The holder beats by rewriting its file; a watcher calls a lease
dead when it saw no change for `TTL_S` on its own monotonic clock, so no two machines need agree on the time. Nothing
here is synced: a power cut ends the holders too, and a token that it tore is held until it has been watched for as
long.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobs import atomic
from jobs.errors import StorageFull
from jobs.store.store import Store

TTL_S = 8.0
RENEW_S = 2.0


@dataclass(slots=True)
class Lease:
    """A lease that was claimed. It is held until it is released or a higher token exists."""

    store: Store
    key: str
    token: int
    holder: str
    beats: int = 0

    def holds(self) -> bool:
        """Whether no one has taken a higher token."""
        return highest_token(self.store, self.key) == self.token

    def renew(self) -> bool:
        """Beat once; False when the lease was lost."""
        if not self.holds():
            return False
        self.beats += 1
        return self._write(released=False)

    def release(self) -> None:
        """Hand the lease back, so that it can be claimed at once; nothing happens if it was lost."""
        if self.holds():
            self._write(released=True)

    def _write(self, released: bool) -> bool:
        """Put down what became of it; False where it is no longer there, because another has claimed it."""
        content = _content(self.holder, self.beats, released)
        try:
            atomic.rewrite_json(_path(self.store, self.key, self.token), content)
        except FileNotFoundError:
            return False
        return True


class _Keeper:
    """Renews leases in one thread for all: to start one for each task would cost it half a millisecond."""

    def __init__(self) -> None:
        self.lock, self.leases = threading.Lock(), list[Lease]()
        self.thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Renew a lease from now on."""
        with self.lock:
            self.leases.append(lease)
            if self.thread is None:
                self.thread = threading.Thread(target=self._forever, daemon=True)
                self.thread.start()

    def remove(self, lease: Lease) -> None:
        """Leave a lease alone; once this returns it is not written any more."""
        with self.lock:
            self.leases = [each for each in self.leases if each is not lease]

    def _forever(self) -> None:
        while True:
            time.sleep(RENEW_S)
            with self.lock:
                for lease in self.leases:
                    with contextlib.suppress(OSError, StorageFull):
                        lease.renew()


_KEEPER = _Keeper()


@contextlib.contextmanager
def keep_renewed(lease: Lease) -> Iterator[None]:
    """Renew a lease while something takes long: putting down and summing up a data set may take a minute."""
    _KEEPER.add(lease)
    try:
        yield
    finally:
        _KEEPER.remove(lease)


@dataclass(slots=True)
class LeaseTracker:
    """What one process has seen of all leases, to tell the dead from the living by its own clock."""

    store: Store
    ttl_s: float = TTL_S
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[Any, float]] = field(default_factory=dict)

    def free(self, key: str) -> bool:
        """Whether the lease could be claimed now: never claimed, released, or unchanged for `ttl_s`."""
        return self._free_after(key, highest_token(self.store, key))

    def _free_after(self, key: str, token: int) -> bool:
        if token == 0:
            return True
        state = (token, self._read(key, token))
        if isinstance(state[1], dict) and state[1].get("released"):
            return True
        known = self._seen.get(key)
        if known is None or known[0] != state:
            self._seen[key] = (state, self.clock())
            return False
        return self.clock() - known[1] >= self.ttl_s

    def claim(self, key: str, holder: str) -> Lease | None:
        """The lease, if it was free and no one else was quicker; else None."""
        seen = highest_token(self.store, key)
        if not self._free_after(key, seen):
            return None
        # The token after the one that was free: a higher one might take the lease from who was just quicker.
        token = seen + 1
        if not atomic.claim_json(
            _path(self.store, key, token), _content(holder, 0, released=False)
        ):
            return None
        self._seen.pop(key, None)
        for name in atomic.list_names(self.store.lease_folder(key)):
            if _token(name) < token:
                (self.store.lease_folder(key) / name).unlink(missing_ok=True)
        return Lease(self.store, key, token, holder)

    def _read(self, key: str, token: int) -> Any:
        with contextlib.suppress(ValueError):
            return atomic.read_json(_path(self.store, key, token))
        return None


def highest_token(store: Store, key: str) -> int:
    """The highest token of a lease; 0 when it was never claimed."""
    return max((_token(name) for name in atomic.list_names(store.lease_folder(key))), default=0)


def _content(holder: str, beats: int, released: bool) -> dict[str, Any]:
    return {"holder": holder, "beats": beats, "released": released}


def _token(name: str) -> int:
    stem = name.removesuffix(".json")
    return int(stem) if stem.isdecimal() else 0


def _path(store: Store, key: str, token: int) -> Any:
    return store.lease_folder(key) / f"{token:08d}.json"
