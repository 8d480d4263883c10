"""Who should take over whose training, so that the study ends sooner.

Decided by every worker for itself, from what all workers say of themselves, and the same by all of them: the faster
one asks, the slower one stops between two steps, and the trial goes on where it stood.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workers.scheduling import throughput

REASSIGNMENT_S = 5.0
"""What a take-over costs each of the two: a checkpoint, and the start of another child."""
WORTH_S = 10.0
"""A take-over that saves less is left: estimates are never exact, and work must not wander to and fro."""
WORTH_SHARE = 0.5
"""So is one that saves less than this share of what could be saved: the same work would soon move again."""
HOPE = 2.0
"""How many times as fast as workers that are all alike another one may be, before it was measured."""


@dataclass(frozen=True, slots=True)
class ActiveTraining:
    """A training in progress: its task, its kind (see `pace.kind_of`), images left until its trial's last mark."""

    task: str
    kind: str
    images_left: float


@dataclass(frozen=True, slots=True)
class Peer:
    """A worker as it describes itself: what it was measured at, whether it is busy and, when it trains, with what.

    `settled` is False while a take-over that it has part in is under way, or while it only begins a task. `model` is
    what devices of equal speed have in common, such as a GPU's name; empty where that is not known.
    """

    name: str
    rates: throughput.Rates
    busy: bool = False
    training: ActiveTraining | None = None
    settled: bool = True
    model: str = ""


@dataclass(frozen=True, slots=True)
class Reassignment:
    """`taker` should go on with `task`, which `holder` works on, and what that saves."""

    taker: str
    holder: str
    task: str
    saves_s: float


def reassignments(
    mates: Sequence[Peer], waiting: Sequence[ActiveTraining] = ()
) -> list[Reassignment]:
    """What should change hands now, each worker at most once, what saves most first.

    `waiting` are trainings that nobody holds: they too will take time, on the workers that are free first.
    """
    fleet = Fleet.of(mates, waiting)
    free = {mate.name for mate in fleet.mates if mate.settled}
    found: list[Reassignment] = []
    while (best := fleet.best(free)) is not None:
        fleet, change = best
        found.append(change)
        free -= {change.taker, change.holder}
    return found


def assign_trainings(mates: Sequence[Peer], trainings: Sequence[ActiveTraining]) -> dict[str, str]:
    """Which idle worker should begin which training, by task: the longest first, each by the one that ends it first."""
    fleet, found = Fleet.of(mates, trainings), dict[str, str]()
    idle = [mate for mate in fleet.mates if not mate.busy and mate.settled]
    for training in fleet.waiting:
        if idle:
            first = min(idle, key=lambda mate: fleet.seconds(mate, training))
            idle.remove(first)
            found[training.task] = first.name
    return found


@dataclass(frozen=True, slots=True)
class Fleet:
    """Workers that were measured and what waits, the longest first; `least_s` is about the least all of it will take.

    `paces` are images a second by worker and kind. `changing` are workers that begin something else just now.
    """

    mates: tuple[Peer, ...]
    waiting: tuple[ActiveTraining, ...]
    paces: Mapping[tuple[str, str], float]
    least_s: float
    changing: frozenset[str] = frozenset()

    @classmethod
    def of(cls, mates: Sequence[Peer], waiting: Sequence[ActiveTraining]) -> Fleet:
        """The fleet of these workers, with this to do.

        A worker was measured at what others of its model were. One of which nothing is known at all is taken for a
        fast one, so that it is tried: for as fast as the fastest, or `HOPE` times that where all others are alike.
        """
        mates = pooled(mates)
        rates = [mate.rates for mate in mates if mate.rates]
        if not rates:
            return cls((), tuple(waiting), {}, 0.0)
        hoped = max(rates, key=lambda each: throughput.ratio(each, rates[0]))
        if len({mate.model or mate.name for mate in mates if mate.rates}) == 1:
            hoped = {kind: HOPE * rate for kind, rate in hoped.items()}
        left = [*(mate.training for mate in mates if mate.training), *waiting]
        paces = {
            (mate.name, kind): throughput.expected_rate(mate.rates or hoped, kind, rates)
            for mate in mates
            for kind in {training.kind for training in left}
        }
        took = {
            mate.name: [each.images_left / paces[mate.name, each.kind] for each in left]
            for mate in mates
        }
        known = sorted(mates, key=lambda mate: (sum(took[mate.name]), mate.name))
        fastest = took[known[0].name]
        speeds = [sum(fastest) / sum(took[mate.name]) for mate in known] if left else []
        longest = sorted(
            waiting, key=lambda each: -each.images_left / paces[known[0].name, each.kind]
        )
        return cls(tuple(known), tuple(longest), paces, least_s(fastest, speeds) if left else 0.0)

    def seconds(self, mate: Peer, training: ActiveTraining) -> float:
        """How long a worker would still need for a training until its trial's end."""
        return training.images_left / self.paces[mate.name, training.kind]

    def best(self, free: set[str]) -> tuple[Fleet, Reassignment] | None:
        """The take-over among these workers that saves most, if it is worth it, and the fleet after it."""
        before = self.lateness_s()
        worth, found = max(WORTH_S, WORTH_SHARE * before), list[tuple[float, Fleet, Reassignment]]()
        if before < worth:
            return None
        able = [mate for mate in self.mates if mate.name in free]
        for taker, holder in itertools.permutations(able, 2):
            given = holder.training
            if given is None or (taker.busy and taker.training is None):
                continue
            if max(self.least_s, self.seconds(taker, given)) < self.seconds(holder, given):
                after = self._after(taker, holder)
                saves_s = before - after.lateness_s()
                found.append(
                    (saves_s, after, Reassignment(taker.name, holder.name, given.task, saves_s))
                )
        saves_s, after, change = max(found, key=lambda each: each[0], default=(0.0, self, None))
        return (after, change) if change and saves_s >= worth else None

    def _after(self, taker: Peer, holder: Peer) -> Fleet:
        """The fleet once the taker goes on with the holder's training, and the holder with the taker's."""
        changed = {
            taker.name: replace(taker, training=holder.training, busy=True),
            holder.name: replace(holder, training=taker.training, busy=taker.busy),
        }
        return replace(
            self,
            mates=tuple(changed.get(mate.name, mate) for mate in self.mates),
            changing=self.changing | changed.keys(),
        )

    def lateness_s(self) -> float:
        """How much later than the least time trainings will end: the root of the sum of squares.

        Whoever becomes free begins the longest that waits; when nothing does, it takes over what would end last, if
        that ends sooner then. Who is idle already takes nothing over: whether it should is what is asked.
        """
        waiting, late = list(self.waiting), 0.0
        kinds = {mate.name: mate.training.kind for mate in self.mates if mate.training}
        idle = {mate.name for mate in self.mates if not mate.busy} - self.changing
        ends = {
            mate.name: (REASSIGNMENT_S if mate.name in self.changing else 0.0)
            + (self.seconds(mate, mate.training) if mate.training else 0.0)
            for mate in self.mates
        }
        while ends:
            name, now = min(ends.items(), key=lambda each: each[1])
            del ends[name]
            if kinds.pop(name, None):
                late += max(0.0, now - self.least_s) ** 2
            if waiting:
                begun = waiting.pop(0)
                kinds[name], ends[name] = (
                    begun.kind,
                    now + begun.images_left / self.paces[name, begun.kind],
                )
                idle.discard(name)
            elif kinds and name not in idle:
                end, last = max((ends[each], each) for each in kinds)
                rest_s = (end - now) * self.paces[last, kinds[last]] / self.paces[name, kinds[last]]
                if now + REASSIGNMENT_S + rest_s + WORTH_S < end:
                    kinds[name], ends[name], ends[last] = (
                        kinds.pop(last),
                        now + REASSIGNMENT_S + rest_s,
                        now + REASSIGNMENT_S,
                    )
        return math.sqrt(late)


def pooled(mates: Sequence[Peer]) -> list[Peer]:
    """The same workers, each with what others of its model were measured at (the median) where it was not itself."""
    of_model: dict[str, dict[str, list[float]]] = {}
    for mate in mates:
        for kind, rate in mate.rates.items():
            of_model.setdefault(mate.model or mate.name, {}).setdefault(kind, []).append(rate)
    typical = {
        model: {kind: statistics.median(rates) for kind, rates in each.items()}
        for model, each in of_model.items()
    }
    return [
        replace(mate, rates={**typical.get(mate.model or mate.name, {}), **mate.rates})
        for mate in mates
    ]


def least_s(chains: Sequence[float], speeds: Sequence[float]) -> float:
    """The least time in which work that cannot be split among workers (`chains`, in seconds at speed 1) can be done.

    All work by all speeds, or the k longest chains by the k fastest (Horvath, Lam and Sethi, 1977).
    """
    longest, fastest = sorted(chains, reverse=True), sorted(speeds, reverse=True)
    several = range(1, min(len(longest), len(fastest)) + 1)
    return max(
        [sum(longest) / sum(fastest), *(sum(longest[:k]) / sum(fastest[:k]) for k in several)]
    )
