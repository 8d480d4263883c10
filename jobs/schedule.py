"""Who should take over whose training, so that the study ends sooner.

Decided by every worker for itself, from what all workers say of themselves, and the same by all of them: the faster
one asks, the slower one stops between two steps, and the trial goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobs import pace

TAKE_OVER_S = 5.0
"""What a take-over costs each of the two: a checkpoint, and the start of another child."""
WORTH_S = 10.0
"""A take-over that saves less is left: estimates are never exact, and work must not wander to and fro."""
WORTH_SHARE = 0.5
"""So is one that saves less than this share of what could be saved: the same work would soon move again."""


@dataclass(frozen=True, slots=True)
class Training:
    """A training in progress: its task, its kind (see `pace.kind_of`), images left until its trial's last mark."""

    task: str
    kind: str
    images_left: float


@dataclass(frozen=True, slots=True)
class Mate:
    """A worker as it describes itself: what it was measured at, whether it is busy and, when it trains, with what.

    `settled` is False while a take-over that it has part in is under way, or while it only begins a task.
    """

    name: str
    rates: pace.Rates
    busy: bool = False
    training: Training | None = None
    settled: bool = True


@dataclass(frozen=True, slots=True)
class TakeOver:
    """`taker` should go on with `task`, which `holder` works on, and what that saves."""

    taker: str
    holder: str
    task: str
    saves_s: float


def take_overs(mates: Sequence[Mate], waiting: Sequence[Training] = ()) -> list[TakeOver]:
    """What should change hands now, each worker at most once, the fastest takers first.

    `waiting` are trainings that nobody holds: they too will take time, on the workers that are free first.
    """
    fleet = Fleet.of(mates, waiting)
    free = {mate.name for mate in fleet.mates if mate.settled}
    found = []
    for taker in fleet.mates:
        if taker.name not in free or (taker.busy and taker.training is None):
            continue
        offers = [offer for holder in fleet.mates if holder.name in free - {taker.name}
                  if (offer := fleet.offer(taker, holder)) is not None]
        best = max(offers, key=lambda offer: offer.saves_s, default=None)
        if best is not None:
            found.append(best)
            free -= {best.taker, best.holder}
    return found


@dataclass(frozen=True, slots=True)
class Fleet:
    """Workers that were measured, the fastest first; `least_s` is about the least time that all is left will take."""

    mates: list[Mate]
    rates: list[pace.Rates]
    least_s: float

    @classmethod
    def of(cls, mates: Sequence[Mate], waiting: Sequence[Training]) -> Fleet:
        """The fleet of these workers, with this to do; one never measured is taken for a fast one, so it is tried."""
        rates = [mate.rates for mate in mates if mate.rates]
        known = [mate for mate in mates if mate.rates]
        if known and len(known) < len(mates):
            hoped = max(rates, key=lambda each: pace.ratio(each, rates[0]))
            known = [mate if mate.rates else replace(mate, rates=hoped) for mate in mates]
        left = [*(mate.training for mate in known if mate.training), *waiting]
        if not left or not known:
            return cls(known, rates, 0.0)
        took = {mate.name: [each.images_left / pace.expected(mate.rates, each.kind, rates) for each in left]
                for mate in known}
        known.sort(key=lambda mate: (sum(took[mate.name]), mate.name))
        fastest = took[known[0].name]
        speeds = [sum(fastest) / sum(took[mate.name]) for mate in known]
        return cls(known, rates, least_s(fastest, speeds))

    def seconds(self, mate: Mate, training: Training | None) -> float:
        """How long a worker would still need for a training until its trial's end."""
        return training.images_left / pace.expected(mate.rates, training.kind, self.rates) if training else 0.0

    def offer(self, taker: Mate, holder: Mate) -> TakeOver | None:
        """The take-over of a holder's training, the taker's own going back, if the later end of both comes sooner."""
        given = holder.training
        if given is None:
            return None
        without = max(self.seconds(taker, taker.training), self.seconds(holder, given))
        if without < self.least_s + WORTH_S:
            return None
        changed = max(self.seconds(taker, given), self.seconds(holder, taker.training), self.least_s) + TAKE_OVER_S
        saves_s = without - changed
        if saves_s < max(WORTH_S, WORTH_SHARE * (without - self.least_s)):
            return None
        return TakeOver(taker.name, holder.name, given.task, saves_s)


def least_s(chains: Sequence[float], speeds: Sequence[float]) -> float:
    """The least time in which work that cannot be split among workers (`chains`, in seconds at speed 1) can be done.

    All work by all speeds, or the k longest chains by the k fastest (Horvath, Lam and Sethi, 1977).
    """
    longest, fastest = sorted(chains, reverse=True), sorted(speeds, reverse=True)
    several = range(1, min(len(longest), len(fastest)) + 1)
    return max([sum(longest) / sum(fastest), *(sum(longest[:k]) / sum(fastest[:k]) for k in several)])
