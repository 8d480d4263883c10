"""The lease: one holder, a token that only rises, and dead holders detected by one's own clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store.store import Store
from workers.lease import Lease, LeaseTracker


class Clock:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path).open(create=True)


def claimed(watch: LeaseTracker, key: str = "train.t") -> Lease:
    """A lease that must be free."""
    lease = watch.claim(key, "someone")
    assert lease is not None
    return lease


def test_one_of_two_claims_wins(store: Store) -> None:
    """A held lease is not given to another worker."""
    first = claimed(LeaseTracker(store))

    assert first.token == 1
    assert LeaseTracker(store).claim("train.t", "another") is None


def test_a_released_lease_is_free_at_once_with_a_higher_token(store: Store) -> None:
    """A released lease is free at once; the token rises."""
    claimed(LeaseTracker(store)).release()

    assert claimed(LeaseTracker(store)).token == 2


def test_a_beating_lease_stays_held_however_long_it_is_watched(store: Store) -> None:
    """Each renewal restarts the watcher's timeout."""
    clock = Clock()
    watcher, holder = LeaseTracker(store, ttl_s=9, clock=clock), claimed(LeaseTracker(store))
    for _ in range(10):
        assert watcher.free("train.t") is False
        clock.now += 5
        assert holder.renew()

    assert watcher.claim("train.t", "another") is None


def test_a_silent_lease_is_taken_after_the_time_to_live_and_its_holder_notices(
    store: Store,
) -> None:
    """The dead holder's token is superseded; when it returns it holds nothing and cannot release
    the new lease.
    """
    clock = Clock()
    watcher, silent = LeaseTracker(store, ttl_s=9, clock=clock), claimed(LeaseTracker(store))
    watcher.free("train.t")
    clock.now = 8.9
    early = watcher.claim("train.t", "another")
    clock.now = 9.0
    late = watcher.claim("train.t", "another")
    silent.release()

    assert early is None
    assert late is not None
    assert late.token == 2
    assert not silent.holds()
    assert not silent.renew()
    assert late.holds()
    assert LeaseTracker(store).claim("train.t", "third") is None


def test_a_torn_lease_file_is_held_until_it_was_watched_for_the_time_to_live(store: Store) -> None:
    """Invalid content in a token file neither crashes nor frees the lease early."""
    clock = Clock()
    claimed(LeaseTracker(store))
    (store.lease_folder("train.t") / "00000001.json").write_bytes(b'{"hol')
    watcher = LeaseTracker(store, ttl_s=9, clock=clock)

    assert not watcher.free("train.t")
    clock.now = 9.1
    assert claimed(watcher).token == 2
