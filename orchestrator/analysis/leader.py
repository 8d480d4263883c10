"""The leader after a period, and the networks that it does not beat."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jobs.statistics.interval import Interval
from jobs.statistics.seed_intervals import SeedMoments, seed_difference
from orchestrator.analysis.pairwise import PairwiseTest, find_pair
from orchestrator.analysis.spreads import Z95
from orchestrator.analysis.standings import Comparison, Standing


@dataclass(frozen=True, slots=True)
class Leader:
    """The ranking after a period, the number tied for first place, and the margin to the next.

    The margin is how much better the first is, in the unit of the metric.
    """

    period: int
    epoch: int
    ranking: tuple[Standing, ...]
    shared_by: int
    margin: float | None


@dataclass(frozen=True, slots=True)
class LeaderVerdict:
    """The leader's pairwise test with the runner-up, and the networks that it does not beat.

    With several seeds that is judged by the uncorrected interval (`PairwiseTest.first_wins`).
    In `paired_test` the leader is the first network; None without published predictions. `leads`
    says whether it beats every rival over seeds and images; never with one seed.
    """

    paired_test: PairwiseTest | None
    alike: tuple[str, ...]
    untested: tuple[str, ...]
    leads: bool = False


def find_leader(
    comparison: Comparison, awaited: Collection[tuple[str, int]] = (), period: int | None = None
) -> Leader | None:
    """The leader by the comparison's metric after `period`, or the last one with no test pending.

    `awaited` holds the pending tests as (trial, period). If every period has pending tests, the
    period with the most tested backbones is used. None without any test.
    """
    chosen = period if period is not None else settled_period(comparison, awaited)
    ranking = (
        sorted((s for s in comparison.at(chosen) if s.lead), key=lambda s: -_worth(s))
        if chosen
        else []
    )
    return _ranked(ranking) if ranking else None


def among(leader: Leader, backbones: Collection[str]) -> Leader:
    """The leader among these networks only; the given one if none of them was tested."""
    kept = [standing for standing in leader.ranking if standing.backbone in backbones]
    return _ranked(kept) if kept else leader


def judge_leader(
    leader: Leader, paired_tests: Sequence[PairwiseTest], leads: str | None = None
) -> LeaderVerdict:
    """Find which networks the leader does not beat; `leads` is the one that beats all others."""
    first, rest = leader.ranking[0].backbone, [standing.backbone for standing in leader.ranking[1:]]
    against = {name: find_pair(paired_tests, first, name) for name in rest}
    alike = tuple(name for name, test in against.items() if test and not test.first_wins)
    untested = tuple(name for name, test in against.items() if test is None)
    runner_up = against[rest[0]] if rest else None
    return LeaderVerdict(runner_up, alike, untested, bool(rest) and leads == first)


def _ranked(ranking: Sequence[Standing]) -> Leader:
    """The leader of these standings, best first."""
    shared_by = sum(_worth(s) == _worth(ranking[0]) for s in ranking)
    rest = ranking[shared_by:]
    margin = _worth(ranking[0]) - _worth(rest[0]) if rest else None
    return Leader(ranking[0].period, ranking[0].epoch, tuple(ranking), shared_by, margin)


def settled_period(comparison: Comparison, awaited: Collection[tuple[str, int]] = ()) -> int | None:
    """The last period with no test pending, else the one with the most tested backbones."""
    tested = {
        p: sum(bool(s.tests) for s in comparison.at(p)) for p in range(1, comparison.periods + 1)
    }
    if not any(tested.values()):
        return None
    waiting = {period for _, period in awaited}
    settled = [period for period, count in tested.items() if count and period not in waiting]
    return max(settled) if settled else max(tested, key=lambda p: (tested[p], p))


def _worth(standing: Standing) -> float:
    """The mean of the leading metric, its sign turned where lower is better."""
    return standing.metric.sign * standing.lead.mean if standing.lead else -math.inf


def beats_all_rivals(
    of_networks: Mapping[str, SeedMoments | None], higher_is_better: bool = True
) -> str | None:
    """The network whose mean metric beats that of every rival over seeds and images, or None.

    Each rival is tested at two-sided 5% without correction: that suffices for the best of several
    (Gutmann and Maymin 1987, Annals of Statistics 15:456-461). None with a single seed.
    """
    moments = {name: each for name, each in of_networks.items() if each}
    if len(moments) < len(of_networks) or len(of_networks) < 2:
        return None
    best = (max if higher_is_better else min)(moments, key=lambda name: moments[name].mean)
    rivals = (each for name, each in moments.items() if name != best)
    intervals = (seed_difference(moments[best], each).interval for each in rivals)
    beaten = all(one.low > 0 if higher_is_better else one.high < 0 for one in intervals)
    return best if beaten else None


def seed_deviation_that_voids(margin: float, interval: Interval) -> float | None:
    """Deviation over seeds that would make a one-seed lead uncertain; None if it already is.

    The variances of the test images (from the interval, assumed normal) and of two networks' seeds
    add up. The lead is within 1.96 standard errors if
    `margin < 1.96 * sqrt(images**2 + 2 * deviation**2)`.
    """
    images = (interval.high - interval.low) / (2 * Z95)
    left = (margin / Z95) ** 2 - images**2
    return math.sqrt(left / 2) if left > 0 and interval.excludes_zero else None
