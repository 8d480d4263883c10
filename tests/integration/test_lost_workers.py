"""In a large fleet few workers watch a lease: who finds a lost worker's task, and who takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_worker import fake_worker
from support.large_fleet import sign, study

from jobs.errors import BrokerUnreachable
from jobs.store.store import Store
from jobs.task import Task
from workers import heartbeat, lease_shares
from workers.devices.admission import Requirement
from workers.execution import execute
from workers.lease_expiry import LeaseTracker
from workers.messaging import broker
from workers.reconciler import Reconciler
from workers.scheduling import peers
from workers.scheduling.peers import Peers


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store").open(create=True)


def test_a_share_hardly_moves_when_workers_and_leases_come_and_go(store: Store) -> None:
    """An expired lease is one that the same worker has seen twice; listings may miss a file."""
    sign(store, 300)
    seen = Peers(store)
    seen.peers("w000", waiting=51)
    keys = [f"train.scratch-s{number}-0" for number in range(290)]
    now = 29_891_400 * peers.SHARE_S

    def shares(keys: list[str]) -> list[set[str]]:
        return [set(seen.share_of(f"w{number:03d}", keys, lambda: now)) for number in range(200)]

    before = shares(keys)
    seen._names.remove("w250.json")
    after = shares([*keys[1:], "train.scratch-s999-0"])

    assert sum(len(one - two) for one, two in zip(before, after, strict=True)) <= 6
    assert sum(map(len, before)) > 400


def test_a_full_worker_passes_on_the_task_of_a_lost_one_and_whoever_gets_it_watches_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only three of 500 watch a lease, and all three may be at work."""
    run = study(store)
    task = Task("train", run.trials[0], 1)
    for trial in run.trials:
        assert LeaseTracker(store).claim(Task("train", trial, 1).lease_key, "far")
    full, idle = fake_worker(store, "unused", "w000"), fake_worker(store, "unused", "w001")
    for worker in (full, idle):
        worker.leases.ttl_s = 0.0
        heartbeat.write(worker)
    sign(store, 250)
    shares = {"w000": [task.lease_key], "w001": []}
    monkeypatch.setattr(Peers, "share_of", lambda self, own, keys: shares[own])
    monkeypatch.setattr(broker, "queue_length", lambda url, **of: 0)
    sent = list[Task]()
    full.sender.enqueue = lambda tasks, to: sent.extend(tasks)
    full.admission.enter("train.other-s0-00000000.0001", Requirement, lambda: True)
    begun = list[Task]()
    idle.begin = lambda task: bool(begun.append(task)) or True
    reconcilers = [Reconciler(full), Reconciler(idle)]
    for _ in range(2):
        reconcilers[0].next_look = 0.0
        reconcilers[0].round()
    idle.leases.ttl_s = 60.0
    assert execute.execute(idle, task.id) == "held"  # as far as it has seen by its own clock
    idle.leases.ttl_s = 0.0
    idle.link.lost(BrokerUnreachable("away"))
    reconcilers[1].round()

    assert sent == [task]
    assert begun == [task]


def test_the_watchers_of_a_lease_tell_others_in_turn(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was told needs 8 s to see for itself: messages of all watchers would be of no use."""
    run = study(store)
    task = Task("train", run.trials[0], 1)
    keys = [Task("train", trial, 1).lease_key for trial in run.trials]
    sign(store, 40)
    monkeypatch.setattr(peers, "SHARE_S", 1e12)
    waiting = [1]
    monkeypatch.setattr(broker, "queue_length", lambda url, **of: waiting[0])
    sent = list[str]()
    watching = []
    for number in range(40):
        worker = fake_worker(store, "unused", f"w{number:03d}")
        worker.sender.enqueue = lambda tasks, to, name=worker.name: sent.append(name)
        worker.placement.look(51)
        if task.lease_key in worker.placement.share_of(keys):
            watching.append(worker)
    told = []
    for now in (0.0, 2.0, 4.0, lease_shares.TURN_S, lease_shares.TURN_S + 2):
        sent.clear()
        waiting[0] = int(now == 0.0)  # while messages wait nobody is idle
        for worker in watching:
            lease_shares.enqueue(worker, [task], lambda now=now: now)
        told.append(set(sent))
    lease_shares.enqueue(watching[0], [])

    assert len(watching) > 2 * peers.WATCHERS
    assert [len(names) for names in told] == [0, peers.WATCHERS, 0, peers.WATCHERS, 0]
    assert not told[1] & told[3]
    assert watching[0].leases.told_next == {}


def test_a_watcher_with_a_free_slot_begins_a_lost_workers_task_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of those who would get its message have not watched the lease."""
    run = study(store, seeds=20)
    for trial in run.trials:
        assert LeaseTracker(store).claim(Task("train", trial, 1).lease_key, "far")
    worker = fake_worker(store, "unused", "w000")
    worker.leases.ttl_s = 0.0
    heartbeat.write(worker)
    sign(store, 20)
    begun = list[Task]()
    worker.begin = lambda task: bool(begun.append(task)) or True
    reconciler = Reconciler(worker)
    for _ in range(2):
        reconciler.next_look = 0.0
        reconciler.round()

    assert worker.link.up
    assert len(begun) == 1


def test_a_lease_whose_watcher_changed_between_two_looks_is_looked_at_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks of a worker under load may be so rare that it watches each lease for one of them."""
    run = study(store)
    task = Task("train", run.trials[0], 1)
    for trial in run.trials:
        assert LeaseTracker(store).claim(Task("train", trial, 1).lease_key, "far")
    worker = fake_worker(store, "unused", "w000")
    worker.leases.ttl_s = 0.0
    sign(store, 250)
    shares = iter([[task.lease_key], [], []])
    monkeypatch.setattr(Peers, "share_of", lambda self, own, keys: next(shares))
    reconciler = Reconciler(worker)
    looks = [reconciler._find_unheld_tasks() for _ in range(3)]

    assert looks == [[], [task], []]
