"""Reassignment of trainings: estimates, decisions, and what is left unchanged."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from workers.scheduling import rebalance, throughput
from workers.scheduling.rebalance import ActiveTraining, Peer

VGG, SMALL = "vgg16@224", "squeezenet@224"


def worker(
    name: str, speed: float, kind: str | None = None, images: float = 0.0, **more: bool
) -> Peer:
    """A worker that trains VGG16 at `speed` images a second and the small network at ten times
    that.
    """
    training = (
        ActiveTraining(f"train.{kind.partition('@')[0]}-s0-1.0010", kind, images) if kind else None
    )
    return Peer(name, {VGG: speed, SMALL: 10 * speed}, training is not None, training, **more)


def test_an_idle_faster_worker_takes_over_the_longest_training() -> None:
    """Of two slow workers, the one that would end last is relieved."""
    peers = [
        worker("fast", 100.0),
        worker("a", 25.0, VGG, 20_000.0),
        worker("b", 25.0, SMALL, 20_000.0),
    ]
    found = rebalance.reassignments(peers)

    assert [(each.taker, each.holder, each.task) for each in found] == [
        ("fast", "a", "train.vgg16-s0-1.0010")
    ]
    assert found[0].saves_s == pytest.approx(800 - 200 - rebalance.REASSIGNMENT_S)


def test_two_workers_change_trainings_when_the_long_one_is_on_the_slow_one() -> None:
    """The fast worker gives its short training back."""
    peers = [worker("fast", 100.0, SMALL, 20_000.0), worker("slow", 25.0, VGG, 20_000.0)]

    assert [(each.taker, each.holder) for each in rebalance.reassignments(peers)] == [
        ("fast", "slow")
    ]


@pytest.mark.parametrize(
    "peers",
    [
        [worker("a", 100.0), worker("b", 100.0, VGG, 20_000.0)],
        [worker("a", 110.0), worker("b", 100.0, VGG, 2_000.0)],
        [worker("slow", 25.0), worker("fast", 100.0, VGG, 20_000.0)],
        [worker("fast", 100.0, settled=False), worker("slow", 25.0, VGG, 20_000.0)],
        [worker("fast", 100.0), worker("slow", 25.0, VGG, 20_000.0, settled=False)],
        [worker("fast", 100.0, VGG, 20_000.0), worker("slow", 25.0, SMALL, 20_000.0)],
        [
            Peer("new", {}),
            Peer("other", {}, True, ActiveTraining("train.vgg16-s0-1.0010", VGG, 20_000.0)),
        ],
        [],
    ],
)
def test_what_saves_little_or_is_under_way_is_left_alone(peers: list[Peer]) -> None:
    """Equal speeds, small gains, slower requesters, workers during a handover, nothing measured."""
    assert rebalance.reassignments(peers) == []


def test_nothing_moves_while_waiting_work_takes_longer_anyway() -> None:
    """A slow worker's training that ends before all waiting ones delays nothing."""
    peers = [worker("fast", 100.0), worker("slow", 25.0, VGG, 5_000.0)]
    waiting = [ActiveTraining(f"train.vgg16-s{seed}-1.0010", VGG, 20_000.0) for seed in range(1, 5)]

    assert rebalance.reassignments(peers) != []
    assert rebalance.reassignments(peers, waiting) == []


def test_a_short_training_is_finished_before_another_is_taken_over() -> None:
    """The faster worker will be free soon, and one change is cheaper than two."""
    peers = [worker("fast", 100.0, SMALL, 20_000.0), worker("slow", 25.0, VGG, 5_000.0)]

    assert rebalance.reassignments(peers) == []


def test_idle_workers_begin_with_the_longest_on_the_fastest() -> None:
    """By measured throughput, in whatever order they arrive. Busy and unsettled workers get
    nothing, nor unknown ones.
    """
    peers = [
        worker("slow", 25.0),
        worker("fast", 100.0),
        worker("middle", 50.0),
        worker("busy", 200.0, VGG, 9e4),
        worker("begins", 200.0, settled=False),
    ]
    trainings = [
        ActiveTraining("small", SMALL, 20_000.0),
        ActiveTraining("long", VGG, 40_000.0),
        ActiveTraining("vgg", VGG, 20_000.0),
        ActiveTraining("least", SMALL, 1_000.0),
    ]

    assert rebalance.assign_trainings(peers, trainings) == {
        "long": "fast",
        "vgg": "middle",
        "small": "slow",
    }
    assert rebalance.assign_trainings([Peer("new", {})], trainings) == {}


def test_a_take_over_is_not_undone() -> None:
    """After the change the same rule finds nothing to change, even with estimates that are wrong by
    a tenth.
    """
    after = [worker("fast", 90.0, VGG, 20_000.0), worker("slow", 27.0, SMALL, 20_000.0)]

    assert rebalance.reassignments(after) == []


def test_all_workers_decide_the_same_in_whatever_order_they_read() -> None:
    """The order in which heartbeats are read does not matter."""
    peers = [
        worker(f"w{place}", 100.0 - 9 * place, (VGG, SMALL)[place % 2] if place > 3 else None, 9e4)
        for place in range(9)
    ]

    assert rebalance.reassignments(peers) == rebalance.reassignments(peers[::-1]) != []


def test_a_worker_never_measured_is_tried() -> None:
    """It counts as fast until it has trained for a few seconds."""
    peers = [
        Peer("new", {}),
        worker("fast", 100.0, SMALL, 90_000.0),
        worker("slow", 25.0, VGG, 20_000.0),
    ]

    assert [(each.taker, each.holder) for each in rebalance.reassignments(peers)] in (
        [("new", "slow")],
        [("fast", "slow")],
    )


def test_a_pace_is_measured_or_reckoned_from_others_and_else_from_the_catalog() -> None:
    """Own measurements first, then another worker's by the ratio of what both did, then relative
    costs.
    """
    mine, theirs = {VGG: 50.0}, {VGG: 100.0, "resnet34@224": 300.0}

    assert throughput.expected_rate(mine, VGG, [theirs], {}) == 50.0
    assert throughput.expected_rate(mine, "resnet34@224", [mine, theirs], {}) == pytest.approx(150)
    assert throughput.expected_rate(mine, "scratch@224", [mine], {}) == pytest.approx(50.0 * 25)
    assert throughput.expected_rate(mine, "vgg16@112", [mine], {}) == pytest.approx(200.0)


def test_a_network_outside_the_catalog_is_expected_at_its_counted_cost() -> None:
    """Networks of unknown cost compare workers only where there is nothing else."""
    counted = {"timm:a@384": 50.0}
    mine, unknown = {VGG: 50.0, "timm:b@224": 1.0}, {"timm:b@224": 50.0}

    assert throughput.expected_rate(mine, "timm:a@384", [mine], counted) == pytest.approx(25.0)
    assert throughput.expected_rate(mine, "timm:c@224", [mine], {}) == pytest.approx(250.0)
    assert throughput.expected_rate(unknown, VGG, [unknown], {}) == pytest.approx(10.0)
    assert throughput.ratio({VGG: 50.0}, {"timm:a@384": 50.0}, counted) == pytest.approx(0.5)


def test_kinds_tell_what_a_pace_depends_on() -> None:
    """Network and image size; on a CPU also the threads."""
    assert throughput.training_kind("vgg16", 224, None) == VGG
    assert throughput.training_kind("vgg16", 64, 4) == "vgg16@64x4"
    assert throughput.work("vgg16@64x4", {}) == 25 * 64**2
    assert throughput.work("vgg16+head@64x4", {}) == 25 * 64**2
    assert throughput.work("timm:vgg16@64x4", {}) is None


@pytest.mark.parametrize(
    ("chains", "speeds", "least"),
    [
        ([4.0], [1.0, 1.0], 4.0),
        ([1.0] * 8, [1.0, 1.0], 4.0),
        ([1.0] * 4, [1.0, 0.25, 0.25, 0.25], 4 / 1.75),
        ([25.0, 9.0, 1.0], [4.0, 1.0, 1.0], 34 / 5),
    ],
)
def test_the_least_time_counts_work_and_the_longest_chains(
    chains: list[float], speeds: list[float], least: float
) -> None:
    """All work by all speeds, or the k longest by the k fastest."""
    assert rebalance.least_s(chains, speeds) == pytest.approx(least)


def test_workers_of_one_model_are_equally_fast_before_both_were_measured_at_the_same() -> None:
    """The catalog is wrong for such small images; by its costs the two would exchange trainings for
    nothing.
    """
    scratch, squeezenet = "scratch@32x1", "squeezenet@32x1"
    peers = [
        Peer(
            "a",
            {scratch: 400.0},
            True,
            ActiveTraining("train.scratch-s0-1.0002", scratch, 68_000.0),
        ),
        Peer(
            "b",
            {squeezenet: 700.0},
            True,
            ActiveTraining("train.squeezenet-s0-1.0003", squeezenet, 17_000.0),
        ),
    ]
    alike = [replace(peer, model="EPYC x1") for peer in peers]

    assert [(each.taker, each.holder) for each in rebalance.reassignments(peers)] == [("b", "a")]
    assert rebalance.reassignments(alike) == []
    assert [peer.rates for peer in rebalance.pooled(alike)] == [
        {scratch: 400.0, squeezenet: 700.0}
    ] * 2
    assert [peer.rates for peer in rebalance.pooled(peers)] == [peer.rates for peer in peers]


def test_a_workers_own_measurements_count_more_than_those_of_its_model() -> None:
    """One GPU of several may be slower for a reason of its own."""
    peers = [
        Peer("a", {VGG: 10.0}, model="H200"),
        Peer("b", {VGG: 20.0, SMALL: 90.0}, model="H200"),
        Peer("c", {VGG: 30.0, SMALL: 70.0}, model="H200"),
        Peer("d", {}, model="A100"),
    ]

    assert [peer.rates for peer in rebalance.pooled(peers)] == [
        {VGG: 10.0, SMALL: 80.0},
        {VGG: 20.0, SMALL: 90.0},
        {VGG: 30.0, SMALL: 70.0},
        {},
    ]


def test_a_worker_unlike_all_others_is_tried() -> None:
    """It may be twice as fast; one like the others is known to be no faster."""
    busy = [
        Peer(
            name,
            {VGG: 25.0},
            True,
            ActiveTraining(f"train.vgg16-s{name}-1.0010", VGG, 20_000.0),
            model="T4",
        )
        for name in ("0", "1")
    ]

    assert [
        each.taker for each in rebalance.reassignments([*busy, Peer("new", {}, model="H200")])
    ] == ["new"]
    assert rebalance.reassignments([*busy, Peer("new", {}, model="T4")]) == []


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_equal_workers_never_exchange_trainings(workers: int) -> None:
    """Their measured rates differ by up to a fifth from one look to the next, whatever is left."""
    rng = random.Random(workers)
    for _ in range(200):
        peers = [
            Peer(
                f"w{number}",
                {"k": 100 * rng.uniform(0.82, 1.18)},
                True,
                ActiveTraining(f"t{number}", "k", rng.uniform(1e3, 1e6)),
                model="H100",
            )
            for number in range(workers)
        ]

        assert rebalance.reassignments(peers) == []
