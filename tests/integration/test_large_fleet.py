"""What workers do on the store does not grow with the fleet, and nobody's lease goes unwatched."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fake_worker import fake_worker
from support.large_fleet import TRIALS, sign, study

from jobs import atomic, readiness
from jobs.errors import BrokerUnreachable
from jobs.store import fleet_slowdown
from jobs.store.store import Store
from jobs.task import Task
from workers import heartbeat
from workers.execution.callbacks import WHOLE_LOOK_EVERY, StopCondition
from workers.lease_expiry import LeaseTracker
from workers.reconciler import Reconciler
from workers.scheduling import peers
from workers.scheduling.peers import Peers
from workers.worker import Worker


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store").open(create=True)


def without_broker(store: Store, name: str) -> Worker:
    """A worker that begins nothing; its broker is away."""
    worker = fake_worker(store, "redis://127.0.0.1:1/0", name)
    worker.link.lost(BrokerUnreachable("away"))
    worker.begin = lambda task: False
    return worker


COUNTING: list[tuple[str, Counter[str]]] = []


def _count(event: str, arguments: tuple[Any, ...]) -> None:
    for root, counts in COUNTING:
        if event in ("open", "os.listdir", "os.rename", "os.remove") and arguments:
            path = str(arguments[0])
            if path.startswith(root):
                counts[path.removeprefix(root).split("/")[1]] += 1


sys.addaudithook(_count)


def operations(store: Store, act: Callable[[], object]) -> Counter[str]:
    """Files opened, listed, renamed and removed by a call, by part of the store."""
    counts = Counter[str]()
    COUNTING.append((str(store.root), counts))
    try:
        act()
    finally:
        COUNTING.pop()
    return counts


def test_a_round_costs_the_same_however_many_workers_and_trials_there_are(tmp_path: Path) -> None:
    """Listings and a few files; every trial and every heartbeat would be hundreds."""
    counted = []
    for workers, trials in ((250, 60), (500, 300)):
        store = Store(tmp_path / f"{workers}").open(create=True)
        run = study(store, trials)
        sign(store, workers)
        tracker = LeaseTracker(store)
        for name in run.trials[:50]:
            assert tracker.claim(Task("train", name, 1).lease_key, "far")
        worker = without_broker(store, "w000")
        reconciler = Reconciler(worker)
        reconciler.round()
        reconciler.next_look = 0.0
        counted.append(operations(store, reconciler.round))

    small, large = (sum(each.values()) for each in counted)
    assert large <= small + 2 <= 24, counted


def test_a_large_fleet_is_looked_at_in_samples(store: Store) -> None:
    """One's own heartbeat and the same few others for some looks; then others."""
    sign(store, 40)
    seen = Peers(store)
    samples = []
    for look in range(2 * peers.SAME_LOOKS):
        sign(store, 40, at=float(look))
        seen.peers("w007")
        samples.append(frozenset(seen._sample))

    assert operations(store, lambda: seen.peers("w007"))["workers"] <= 2 + peers.SAMPLE
    assert {peer.name for peer in seen._last} <= {"w007"} | {
        name.removesuffix(".json") for name in seen._sample
    }
    assert len(set(samples[: peers.SAME_LOOKS])) == 1
    assert operations(store, lambda: seen.peers("w007", waiting=51))["workers"] == 1


def test_a_small_fleet_is_read_whole(store: Store) -> None:
    """As ever: all workers compute the same reassignments."""
    seen = Peers(store)
    for at in (1.0, 2.0):
        sign(store, peers.MAX_READ, at)
        seen.peers("w000", waiting=51)

    assert len(seen._last) == peers.MAX_READ


@pytest.mark.parametrize(("workers", "leases"), [(20, 50), (60, 60), (300, 290), (250, 1000)])
def test_each_lease_is_watched_by_several_and_others_a_minute_later(
    store: Store, workers: int, leases: int
) -> None:
    """None is left out; in a large fleet each worker watches a few."""
    sign(store, workers)
    seen = Peers(store)
    seen.peers("w000", waiting=51)
    keys = [f"train.scratch-s{number}-0" for number in range(leases)]

    def share(name: str, minute: int) -> list[str]:
        return seen.share_of(name, keys, lambda: minute * peers.SHARE_S)

    names = [f"w{number:03d}" for number in range(workers)]
    watched = Counter(key for name in names for key in share(name, 0))
    sizes = [len(share(name, 0)) for name in names]
    average = peers.MAX_WATCHED if workers <= 200 else 3 * leases / workers

    assert set(watched) == set(keys)
    assert min(watched.values()) >= 3
    assert sum(sizes) / workers == pytest.approx(average, rel=0.1)
    assert max(sizes) <= 4 * average + 4
    assert all(share(name, 0) != share(name, 1) for name in names[:20])
    assert seen.share_of("w000", keys[:32]) == keys[:32]
    assert seen.share_of("new", keys) == keys


def test_the_leases_of_a_dead_worker_are_all_taken_over(store: Store) -> None:
    """By six workers who each watch a share of them, beside others that are dead too.

    13 of the 17 watch each lease, so at least two of six do, whatever the minute.
    """
    run = study(store)
    dead = LeaseTracker(store)
    tasks = [Task("train", trial, 1) for trial in run.trials[:40]]
    assert all(dead.claim(task.lease_key, "dead") for task in tasks)
    workers = [without_broker(store, f"w{number:03d}") for number in range(6)]
    sign(store, peers.MAX_READ + 1)
    for worker in workers:
        worker.leases.ttl_s = 0.0
        heartbeat.write(worker)
    reconcilers = [Reconciler(worker) for worker in workers]
    unheld: set[str] = set()
    for _ in range(4):  # a second look finds what is unchanged; a minute may end within a round
        for reconciler in reconcilers:
            reconciler.next_look = 0.0
            reconciler.round()
            unheld |= {task.id for task in reconciler.unheld}

    assert {task.id for task in tasks} <= unheld
    assert len(unheld) == TRIALS


def test_what_is_submitted_later_is_seen_at_the_next_look(store: Store) -> None:
    """Target epochs are remembered only until the record of a run changes."""
    run = study(store, seeds=2)
    reconciler = Reconciler(without_broker(store, "w000"))
    reconciler.round()
    before = len(reconciler.unheld)
    for trial in run.trials:
        atomic.write_json(store.done_path(Task("train", trial, 1)), {}, durable=False)
        atomic.write_json(store.done_path(Task("evaluate", trial, 1)), {}, durable=False)
    reconciler.next_look = 0.0
    reconciler.round()
    over = list(reconciler.unheld)
    study(store, seeds=2, periods=2)
    reconciler.next_look = 0.0
    reconciler.round()

    assert before == 2
    assert over == []
    assert {task.id for task in reconciler.unheld} == {f"train.{t}.0002" for t in run.trials}
    store.cancel(store.run_names()[-1])
    reconciler.next_look = 0.0
    reconciler.round()
    assert reconciler.unheld == []


def test_a_heartbeat_takes_two_operations_and_survives_a_missing_folder(store: Store) -> None:
    """It is written every few seconds by every worker."""
    worker = without_broker(store, "w000")
    heartbeat.write(worker)

    assert operations(store, lambda: heartbeat.write(worker)).total() == 2
    shutil.rmtree(store.heartbeats_folder)
    heartbeat.write(worker)
    assert atomic.list_names(store.heartbeats_folder) == ["w000.json"]


@pytest.mark.parametrize(
    ("workers", "factor"), [(0, 1), (200, 1), (300, 1.5), (500, 2.5), (9999, 2.5)]
)
def test_intervals_grow_with_the_fleet(workers: int, factor: float) -> None:
    """But never so far that a living worker would count as silent."""
    assert fleet_slowdown.slowdown(workers) == factor
    assert fleet_slowdown.MAX_SLOWDOWN * 2.0 * 3 <= 15.0


def test_a_lease_that_is_renewed_costs_its_watchers_one_operation(store: Store) -> None:
    """And its holder hardly more: each of 500 workers watches some leases."""
    holder, watcher = LeaseTracker(store).claim("train.t", "far"), LeaseTracker(store)
    assert holder is not None
    watcher.free("train.t")
    holder.renew()

    assert operations(store, lambda: watcher.free("train.t")) == {"leases": 1}
    assert operations(store, holder.renew) == {"leases": 1}
    assert holder.beats == 2


def test_whether_a_running_task_is_wanted_takes_one_operation_at_most_looks(store: Store) -> None:
    """Cancelling is noticed at once, and a run that was removed at the next whole look."""
    run = study(store, seeds=1)
    task = Task("train", run.trials[0], 1)
    stop = StopCondition(without_broker(store, "w000"), task, 1)
    wanted = [stop._is_wanted(seldom=True)]
    costs = [operations(store, lambda: wanted.append(stop._is_wanted(seldom=True))).total()]
    store.cancel(run.name)
    cancelled = stop._is_wanted(seldom=True)
    store.cancelled_path(run.name).unlink()
    stop._is_wanted(seldom=True)
    store.run_path(run.name).unlink()
    removed = [stop._is_wanted(seldom=True) for _ in range(WHOLE_LOOK_EVERY)]

    assert wanted == [True, True]
    assert costs == [0]  # a stat
    assert cancelled is False
    assert removed[-1] is False


def test_ready_tasks_are_found_without_a_lease_being_read(store: Store) -> None:
    """A task that was never claimed is free."""
    study(store)
    reconciler = Reconciler(without_broker(store, "w000"))
    began = time.monotonic()
    counts = operations(store, reconciler.round)

    assert len(reconciler.unheld) == TRIALS
    assert counts["leases"] == 1
    assert counts["attempts"] == 0
    assert time.monotonic() - began < 10
    assert readiness.ready_tasks(store, store.latest_run()) == reconciler.unheld
