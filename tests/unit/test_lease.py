"""The lease: one holder, a token that only rises, and dead holders detected by one's own clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store.store import Store
from workers.lease import LOOK_EVERY, Lease
from workers.lease_expiry import LeaseTracker


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


def test_a_holder_notices_a_claimer_that_died_before_it_removed_the_lower_token(
    store: Store,
) -> None:
    """At the latest when it looks for a higher token, which is not at each renewal."""
    holder = claimed(LeaseTracker(store))
    lower = store.lease_folder("train.t") / "00000001.json"
    renewed = [holder.renew()]
    (store.lease_folder("train.t") / "00000002.json").write_bytes(lower.read_bytes())
    renewed += [holder.renew() for _ in range(LOOK_EVERY)]

    assert renewed == [True] * LOOK_EVERY + [False]
    lower.unlink()
    assert not Lease(store, "train.t", 1, "someone", beats=1).renew()


def test_a_watcher_of_a_renewed_lease_sees_the_next_holder_too(store: Store) -> None:
    """It reads the token that it knows first, and lists only where that was not renewed."""
    clock = Clock()
    watcher, first = LeaseTracker(store, ttl_s=9, clock=clock), claimed(LeaseTracker(store))
    before = watcher.free("train.t")
    first.renew()
    renewed = watcher.free("train.t")
    first.release()
    second = claimed(LeaseTracker(store))
    clock.now = 20.0
    passed_on = watcher.free("train.t")
    clock.now = 28.9
    early = watcher.free("train.t")
    clock.now = 29.0

    assert (before, renewed, passed_on, early) == (False, False, False, False)
    assert watcher.free("train.t") is True
    assert second.token == 2


def test_a_torn_lease_file_is_held_until_it_was_watched_for_the_time_to_live(store: Store) -> None:
    """Invalid content in a token file neither crashes nor frees the lease early."""
    clock = Clock()
    claimed(LeaseTracker(store))
    (store.lease_folder("train.t") / "00000001.json").write_bytes(b'{"hol')
    watcher = LeaseTracker(store, ttl_s=9, clock=clock)

    assert not watcher.free("train.t")
    clock.now = 9.1
    assert claimed(watcher).token == 2
