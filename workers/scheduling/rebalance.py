"""Decide which trainings to reassign between workers, so that the study ends sooner.

Every worker decides for itself from the heartbeats of all workers, and all reach the same
decision. The faster worker requests the handover, and the slower one stops between two steps.
The trial then continues from its resume point.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from workers.scheduling import throughput

REASSIGNMENT_S = 5.0
"""Cost of a reassignment for each worker: writing a checkpoint and starting another child."""
WORTH_S = 10.0
"""Minimum saving of a reassignment.

Estimates are inexact, and trainings must not move back and forth between workers.
"""
WORTH_SHARE = 0.5
"""Minimum saving as a share of the current lateness.

After a smaller saving, the same training would soon be reassigned again.
"""
ALIKE = 1.5
"""How much faster a worker of the same model must be: smaller differences are measurement noise."""
HOPE = 2.0
"""Assumed speed of an unmeasured worker, relative to measured ones that are all alike."""
NO_COSTS: throughput.Costs = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ActiveTraining:
    """A training in progress.

    `task` is its id, and `kind` is as in `workers.scheduling.throughput.training_kind`.
    `images_left` counts the images until its trial's last target epoch. `needs_bytes` is the memory
    that its worker's GPU must have.
    """

    task: str
    kind: str
    images_left: float
    needs_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """A worker as described in its heartbeat: measured rates, whether it is busy, its training.

    `settled` is False while the worker takes part in a handover. `model` is what devices of equal
    speed have in common, such as a GPU's name; empty if unknown. `gpu_bytes` is the GPU's memory.
    """

    name: str
    rates: throughput.Rates
    busy: bool = False
    training: ActiveTraining | None = None
    settled: bool = True
    model: str = ""
    gpu_bytes: int = 0

    def may(self, training: ActiveTraining | None) -> bool:
        """Whether its device has what a training requires."""
        return training is None or training.needs_bytes <= self.gpu_bytes


@dataclass(frozen=True, slots=True)
class Reassignment:
    """`taker` should continue `task`, which `holder` works on; saves `saves_s` seconds."""

    taker: str
    holder: str
    task: str
    saves_s: float


def reassignments(
    peers: Sequence[Peer],
    waiting: Sequence[ActiveTraining] = (),
    costs: throughput.Costs = NO_COSTS,
) -> list[Reassignment]:
    """The reassignments to make now, largest saving first; each worker takes part at most once.

    `waiting` are trainings that no worker holds. They also take time, on the workers that become
    free first. `costs` are those of networks outside the catalog.
    """
    fleet = Fleet.of(peers, waiting, costs)
    free = {peer.name for peer in fleet.peers if peer.settled}
    changes: list[Reassignment] = []
    while (best := fleet.best(free)) is not None:
        fleet, change = best
        changes.append(change)
        free -= {change.taker, change.holder}
    return changes


def assign_trainings(
    peers: Sequence[Peer],
    trainings: Sequence[ActiveTraining],
    costs: throughput.Costs = NO_COSTS,
) -> dict[str, str]:
    """Assign waiting trainings to idle workers; a dict from task id to worker name.

    The longest training is assigned first. Each goes to the idle worker that would finish it first.
    """
    fleet, assigned = Fleet.of(peers, trainings, costs), dict[str, str]()
    idle = [peer for peer in fleet.peers if not peer.busy and peer.settled]
    for training in fleet.waiting:
        if able := [peer for peer in idle if peer.may(training)]:
            first = min(able, key=lambda peer: fleet.seconds(peer, training))
            idle.remove(first)
            assigned[training.task] = first.name
    return assigned


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers, and the waiting trainings, longest first.

    `paces` are expected images per second by worker and kind. `least_s` is a lower bound on the
    seconds that all trainings take. `changing` are workers that are just being reassigned.
    """

    peers: tuple[Peer, ...]
    waiting: tuple[ActiveTraining, ...]
    paces: Mapping[tuple[str, str], float]
    least_s: float
    changing: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        peers: Sequence[Peer],
        waiting: Sequence[ActiveTraining],
        costs: throughput.Costs = NO_COSTS,
    ) -> Fleet:
        """Build the fleet from these workers and waiting trainings.

        Workers of one model share their measurements. A worker about which nothing is known is
        assumed to be as fast as the fastest, so that it is tried. If all measured workers are of
        one model, it is assumed to be `HOPE` times as fast as they are.
        """
        peers = pooled(peers)
        rates = [peer.rates for peer in peers if peer.rates]
        if not rates:
            return cls((), tuple(waiting), {}, 0.0)
        hoped = max(rates, key=lambda each: throughput.ratio(each, rates[0], costs))
        if len({peer.model or peer.name for peer in peers if peer.rates}) == 1:
            hoped = {kind: HOPE * rate for kind, rate in hoped.items()}
        left = [*(peer.training for peer in peers if peer.training), *waiting]
        paces = {
            (peer.name, kind): throughput.expected_rate(peer.rates or hoped, kind, rates, costs)
            for peer in peers
            for kind in {training.kind for training in left}
        }
        took = {
            peer.name: [each.images_left / paces[peer.name, each.kind] for each in left]
            for peer in peers
        }
        known = sorted(peers, key=lambda peer: (sum(took[peer.name]), peer.name))
        fastest = took[known[0].name]
        speeds = [sum(fastest) / sum(took[peer.name]) for peer in known] if left else []
        longest = sorted(
            waiting, key=lambda each: -each.images_left / paces[known[0].name, each.kind]
        )
        return cls(tuple(known), tuple(longest), paces, least_s(fastest, speeds) if left else 0.0)

    def seconds(self, peer: Peer, training: ActiveTraining) -> float:
        """Seconds that a worker would need to finish a training's trial."""
        return training.images_left / self.paces[peer.name, training.kind]

    def best(self, free: set[str]) -> tuple[Fleet, Reassignment] | None:
        """The reassignment among the `free` workers that saves most, and the fleet after it.

        None if no reassignment saves enough.
        """
        before = self.lateness_s()
        worth = max(WORTH_S, WORTH_SHARE * before)
        if before < worth:
            return None
        choices: list[tuple[float, Fleet, Reassignment]] = []
        able = [peer for peer in self.peers if peer.name in free]
        for taker, holder in itertools.permutations(able, 2):
            given = holder.training
            if given is None or (taker.busy and taker.training is None):
                continue
            if not taker.may(given) or not holder.may(taker.training):
                continue
            alike = bool(taker.model) and taker.model == holder.model
            expected_s = self.seconds(taker, given) * (ALIKE if alike else 1.0)
            if max(self.least_s, expected_s) < self.seconds(holder, given):
                after = self._after(taker, holder)
                saves_s = before - after.lateness_s()
                choices.append(
                    (saves_s, after, Reassignment(taker.name, holder.name, given.task, saves_s))
                )
        saves_s, after, change = max(choices, key=lambda each: each[0], default=(0.0, self, None))
        return (after, change) if change and saves_s >= worth else None

    def _after(self, taker: Peer, holder: Peer) -> Fleet:
        """The fleet after taker and holder have swapped their trainings."""
        changed = {
            taker.name: replace(taker, training=holder.training, busy=True),
            holder.name: replace(holder, training=taker.training, busy=taker.busy),
        }
        return replace(
            self,
            peers=tuple(changed.get(peer.name, peer) for peer in self.peers),
            changing=self.changing | changed.keys(),
        )

    def lateness_s(self) -> float:
        """How much later than `least_s` the trainings end: root of summed squares, in seconds.

        Simulates the rest of the study. A worker that becomes free begins the longest waiting
        training. If none waits, it takes over the training that would end last, if that then ends
        sooner. Workers that are idle now take nothing over: that is the decision being evaluated.
        """
        waiting, late = list(self.waiting), 0.0
        peers = {peer.name: peer for peer in self.peers}
        at = {peer.name: peer.training for peer in self.peers if peer.training}
        idle = {peer.name for peer in self.peers if not peer.busy} - self.changing
        ends = {
            peer.name: (REASSIGNMENT_S if peer.name in self.changing else 0.0)
            + (self.seconds(peer, peer.training) if peer.training else 0.0)
            for peer in self.peers
        }
        while ends:
            name, now = min(ends.items(), key=lambda each: each[1])
            del ends[name]
            if at.pop(name, None):
                late += max(0.0, now - self.least_s) ** 2
            if begun := next(filter(peers[name].may, waiting), None):
                waiting.remove(begun)
                at[name], ends[name] = begun, now + self.seconds(peers[name], begun)
                idle.discard(name)
            elif (could := [each for each in at if peers[name].may(at[each])]) and name not in idle:
                end, last = max((ends[each], each) for each in could)
                ratio = self.paces[last, at[last].kind] / self.paces[name, at[last].kind]
                there = now + REASSIGNMENT_S + (end - now) * ratio
                if there + WORTH_S < end:
                    at[name], ends[name], ends[last] = at.pop(last), there, now + REASSIGNMENT_S
        return math.sqrt(late)


def pooled(peers: Sequence[Peer]) -> list[Peer]:
    """The same workers, with missing rates filled in from workers of the same model (median)."""
    of_model: dict[str, dict[str, list[float]]] = {}
    for peer in peers:
        for kind, rate in peer.rates.items():
            of_model.setdefault(peer.model or peer.name, {}).setdefault(kind, []).append(rate)
    typical = {
        model: {kind: statistics.median(rates) for kind, rates in each.items()}
        for model, each in of_model.items()
    }
    return [
        replace(peer, rates={**typical.get(peer.model or peer.name, {}), **peer.rates})
        for peer in peers
    ]


def least_s(chains: Sequence[float], speeds: Sequence[float]) -> float:
    """Lower bound, in seconds, on the time to finish indivisible work on workers of these speeds.

    `chains` are the pieces of work in seconds at speed 1. The bound is the maximum of two ratios.
    One is all work over all speeds. The other is the k longest chains over the k fastest workers,
    for any k (Horvath, Lam and Sethi, 1977).
    """
    longest, fastest = sorted(chains, reverse=True), sorted(speeds, reverse=True)
    several = range(1, min(len(longest), len(fastest)) + 1)
    return max(
        [sum(longest) / sum(fastest), *(sum(longest[:k]) / sum(fastest[:k]) for k in several)]
    )
