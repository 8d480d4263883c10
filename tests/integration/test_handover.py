"""Handover of a training: two workers on one store, and requests that nobody answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.peer_heartbeats import heartbeat_of

from jobs import atomic
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.spec.networks import STUDY, Network
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission.run_creation import create_run
from workers.lease_expiry import LeaseTracker
from workers.scheduling.handover import MEASURED_S, PATIENCE_S, Handover
from workers.scheduling.peers import Peers


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def trial(tmp_path: Path) -> str:
    """A trial of two periods in a store."""
    store = Store(tmp_path).open(create=True)
    asked = model.build({"backbones": ["scratch"], "periods": 2, "epochs_per_period": 3})
    return create_run(store, asked, built_in("digits")).trials[0]


def hand(tmp_path: Path, name: str, clock: Clock) -> Handover:
    """The handover state of a worker on its own CPU."""
    return Handover(Store(tmp_path), name, name, "cpu", 2, clock)


def training(epoch: int, done: int, rate: float) -> dict[str, Any]:
    """A message of a child."""
    return {
        "phase": "train",
        "epoch": epoch,
        "epochs": 3,
        "done": done,
        "total": 1000,
        "images_per_second": rate,
    }


def test_a_training_asked_for_is_stopped_by_its_holder_and_sent_to_the_asker(
    tmp_path: Path, trial: str, clock: Clock
) -> None:
    """The holder stops, other workers leave the training alone, and the requester may claim it."""
    task, store = Task("train", trial, 3), Store(tmp_path)
    slow, fast, third = (hand(tmp_path, name, clock) for name in ("slow", "fast", "third"))
    lease = LeaseTracker(store).claim(task.lease_key, "slow")
    assert lease is not None
    before = slow.stops(task, lease.token)
    asked, again = fast.ask(task, "slow"), third.ask(task, "slow")
    stops = slow.stops(task, lease.token)
    lease.release()
    sent = slow.assign_following(task, lease.token, [task], done=False)

    assert (before, asked, again, stops) == (False, True, False, True)
    assert sent == {"fast": [task]}
    assert [each.declines(task) for each in (slow, fast, third)] == [True, False, True]
    assert fast.fulfilled(task) == []
    assert fast.request is None
    assert not third.declines(task)


def test_an_asker_gives_up_its_own_training_which_is_sent_when_it_has_the_other(
    tmp_path: Path, trial: str, clock: Clock
) -> None:
    """So a worker does not take back what it has just given up."""
    wanted, own = Task("train", trial, 3), Task("train", "other-s0-00000000", 3)
    fast = hand(tmp_path, "fast", clock)
    LeaseTracker(Store(tmp_path)).claim(wanted.lease_key, "slow")
    fast.ask(wanted, "slow")
    stops = fast.stops(own, 1)
    sent = fast.assign_following(own, 1, [own], done=False)

    assert stops
    assert sent == {}
    assert fast.declines(own)
    assert fast.fulfilled(wanted) == [own]


def test_a_training_goes_on_where_it_is_at_a_mark(tmp_path: Path, trial: str, clock: Clock) -> None:
    """The next training goes to the same worker, evaluations to anybody; after a stop, everything
    to anybody.
    """
    fast = hand(tmp_path, "fast", clock)
    ended, following, test = (
        Task("train", trial, 3),
        Task("train", trial, 6),
        Task("evaluate", trial, 3),
    )

    assert fast.assign_following(ended, 1, [test, following], done=True) == {
        None: [test],
        "fast": [following],
    }
    assert fast.assign_following(following, 1, [test], done=True) == {"fast": [test]}
    assert fast.assign_following(ended, 1, [ended], done=False) == {None: [ended]}


def test_an_asker_that_dies_binds_nobody_for_long(tmp_path: Path, trial: str, clock: Clock) -> None:
    """Others leave the training to the requester for a while by their own clock. A later holder is
    not bound.
    """
    task, store = Task("train", trial, 3), Store(tmp_path)
    slow, dead = hand(tmp_path, "slow", clock), hand(tmp_path, "dead", clock)
    lease = LeaseTracker(store).claim(task.lease_key, "slow")
    assert lease is not None
    dead.ask(task, "slow")
    lease.release()
    at_first = slow.declines(task)
    clock.now += PATIENCE_S
    later = slow.declines(task)
    again = LeaseTracker(store).claim(task.lease_key, "slow")
    assert again is not None

    assert (at_first, later) == (True, False)
    assert not slow.stops(task, again.token)


def test_an_asker_does_not_wait_for_ever(tmp_path: Path, trial: str, clock: Clock) -> None:
    """What it gave up is enqueued again, and the request is removed."""
    wanted, own = Task("train", trial, 3), Task("train", "other-s0-00000000", 3)
    fast = hand(tmp_path, "fast", clock)
    lease = LeaseTracker(Store(tmp_path)).claim(wanted.lease_key, "slow")
    assert lease is not None
    fast.ask(wanted, "slow")
    fast.assign_following(own, 1, [own], done=False)
    early = fast.late()
    clock.now += PATIENCE_S + 1

    assert early == []
    assert fast.late() == [own]
    assert not hand(tmp_path, "slow", clock).stops(wanted, lease.token)


def test_a_pace_is_learned_from_what_children_say_and_kept_for_the_device(
    tmp_path: Path, trial: str, clock: Clock
) -> None:
    """Not from the first seconds. The next worker on the device reads it."""
    task, slow = Task("train", trial, 3), hand(tmp_path, "slow", clock)
    slow.on_message(task, training(1, 100, 9.0))
    at_once = dict(slow.rates)
    clock.now += MEASURED_S
    slow.on_message(task, training(2, 500, 50.0))
    left = slow.training
    slow.ended(task)

    assert at_once == {}
    assert left is not None
    assert left.images_left == 5 * 1000 - 500
    assert slow.rates == {left.kind: 50.0} == {"scratch@64x2": 50.0}
    assert hand(tmp_path, "slow", clock).rates == slow.rates
    assert hand(tmp_path, "other", clock).rates == {}


@pytest.mark.parametrize("text", ["", "[]", '{"scratch@64": "fast"}', '{"scratch@64": -1}'])
def test_damaged_files_are_no_estimates_and_no_requests(
    tmp_path: Path, trial: str, clock: Clock, text: str
) -> None:
    """Whatever the file holds, the training continues."""
    task, store = Task("train", trial, 3), Store(tmp_path)
    for path in (store.pace_path("slow", "cpu"), store.asked_path(task.lease_key, 1)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    slow = hand(tmp_path, "slow", clock)

    assert slow.rates == {}
    assert not slow.stops(task, 1)


def write_heartbeats(store: Store, workers: tuple[Handover, ...], at: float) -> None:
    """The heartbeats of these workers, at this time."""
    for each in workers:
        atomic.write_json(store.heartbeat_path(each.name), heartbeat_of(each, at))


def test_a_worker_reads_the_heartbeats_of_its_peers_and_finds_what_to_request(
    tmp_path: Path, trial: str, clock: Clock
) -> None:
    """Only from heartbeats that change: one that a dead worker left counts for nothing."""
    store, fleet = Store(tmp_path), Peers(Store(tmp_path), clock)
    slow, fast = hand(tmp_path, "slow", clock), hand(tmp_path, "fast", clock)
    slow.rates, fast.rates = {"scratch@64x2": 10.0}, {"scratch@64x2": 40.0}
    slow.on_message(Task("train", trial, 3), training(1, 0, 10.0))
    data = store.load_trial(trial).data
    atomic.write_json(store.done_path(Task("prepare", data)), {"classes": {"0": {"train": 1000}}})

    write_heartbeats(store, (slow, fast), 1.0)
    from_the_dead = fleet.peers()
    write_heartbeats(store, (slow, fast), 2.0)
    fleet.peers()
    wanted, mine = fleet.wanted(fast, []), fleet.wanted(slow, [])
    placed = fleet.placed(fast, [Task("train", trial, 3), Task("evaluate", trial, 3)])
    given_up = fleet.placed(slow, [Task("train", trial, 3)], "slow")
    clock.now += 60

    assert from_the_dead == ()
    assert placed == {"fast": [Task("train", trial, 3)], None: [Task("evaluate", trial, 3)]}
    assert given_up == {"fast": [Task("train", trial, 3)]}
    assert wanted is not None
    assert (wanted.task, wanted.holder) == (f"train.{trial}.0003", "slow")
    assert mine is None
    assert fleet.peers() == ()


def test_the_first_placement_follows_the_costs_that_were_counted_at_submit(
    tmp_path: Path, clock: Clock
) -> None:
    """Nothing outside the catalog was measured: the larger network goes to the faster worker."""
    store, fleet = Store(tmp_path).open(create=True), Peers(Store(tmp_path), clock)
    costs = {"timm:small": Network(relative_cost=0.4), "timm:large": Network(relative_cost=30.0)}
    asked = {"backbones": [*costs], "weights": "none"} | STUDY.model_dump()
    run = create_run(store, model.build(asked).with_native(costs), built_in("digits"))
    slow, fast = hand(tmp_path, "slow", clock), hand(tmp_path, "fast", clock)
    slow.rates, fast.rates = {"resnet34@224x2": 10.0}, {"vgg16@224x2": 20.0, "timm:old@64x2": 1.0}
    for data in run.data_sets:
        done = store.done_path(Task("prepare", data))
        atomic.write_json(done, {"classes": {"0": {"train": 1000}}})
    for at in (1.0, 2.0):
        write_heartbeats(store, (slow, fast), at)
        fleet.peers()
    small, large = (
        next(trial for trial in run.trials if word in trial) for word in ("small", "large")
    )
    placed = fleet.placed(fast, [Task("train", small, 10), Task("train", large, 10)])

    assert placed == {"slow": [Task("train", small, 10)], "fast": [Task("train", large, 10)]}


def test_a_rate_of_an_own_file_counts_for_that_file_alone(tmp_path: Path, clock: Clock) -> None:
    """Another file may have the same name; its network may be of any size."""
    store = Store(tmp_path).open(create=True)
    kinds = []
    for number in range(2):
        (tmp_path / "nets.py").write_text(f"WIDTH = {number}")
        asked = {"backbones": f"{tmp_path}/nets.py:make"} | STUDY.model_dump()
        trial = create_run(store, model.build(asked), built_in("digits")).trials[0]
        kinds.append(hand(tmp_path, "one", clock).kind_of(Task("train", trial, 10)))

    assert [kind[: len("nets.py:make-")] for kind in kinds] == ["nets.py:make-"] * 2
    assert kinds[0] != kinds[1]
