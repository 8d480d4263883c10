"""The rule of a race: which networks stop, from which validation images they have right.

A network stops where it is significantly behind the leader, the one with the most images right. The
true best of m networks is wrongly stopped only if one of its m - 1 rivals is ahead of it by chance.
So p-values are multiplied by the number of rivals (Hsu 1981, Annals of Statistics 9:1026-1034), and
it does not matter that the leader is found on the same images.

A race looks several times. Each of its looks gets an equal share of the error, as alpha spending
does (Lan and DeMets 1983, Biometrika 70:659-663; Slud and Wei 1982, JASA 77:862-868). All looks use
the same images, so their boundaries cannot be relaxed as for data that accumulate: the p-value is
also multiplied by the number of looks, which holds under any dependence. A race then stops
the best network in at most `LEVEL` of races, as far as the order of networks stays. No test of one
period protects a network that learns slowly and would overtake later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.statistics import paired
from jobs.statistics.paired import Right
from jobs.store.decisions import Contender, Look

LEVEL = 0.05
"""The error of a whole race: the share of races that may stop the best network."""
DIGITS = 6
"""Significant digits that are recorded and compared, so that machines agree."""


def look(
    right: Mapping[str, Right],
    trials: Mapping[str, Sequence[str]],
    number: int,
    looks: int,
    rivals: int,
) -> Look:
    """Compare networks by the images that each has `right`, as (seeds, images).

    `trials` are those of each network; one without answers is absent. `rivals` are the networks of
    the whole race, less one.
    """
    accuracy = {name: float(rows.mean(axis=1).mean()) for name, rows in right.items()}
    leader = max(right, key=lambda name: accuracy[name], default="")
    contenders = tuple(
        _against(name, right[name], right[leader], trials[name], rivals * looks)
        for name in right
        if name != leader
    )
    first = right[leader] if leader else None
    return Look(
        number=number,
        looks=looks,
        level=LEVEL,
        rivals=rivals,
        images=0 if first is None else first.shape[1],
        seeds=0 if first is None else len(first),
        leader=leader,
        leader_accuracy=rounded(accuracy.get(leader, 0.0)),
        contenders=contenders,
        absent=tuple(name for name in trials if name not in right),
    )


def _against(
    name: str, own: Right, leader: Right, trials: Sequence[str], comparisons: int
) -> Contender:
    """A network against the leader."""
    p = paired.behind(own, leader)
    corrected = rounded(min(1.0, p * comparisons))
    accuracy, best = (float(rows.mean(axis=1).mean()) for rows in (own, leader))
    only_leader, only_own = paired.discordant(own, leader)
    return Contender(
        network=name,
        trials=tuple(trials),
        accuracy=rounded(accuracy),
        behind=rounded(best - accuracy),
        only_leader=only_leader,
        only_own=only_own,
        p=rounded(p),
        p_corrected=corrected,
        stops=corrected < LEVEL,
    )


def rounded(value: float) -> float:
    """A value as it is recorded."""
    return float(f"{value:.{DIGITS}g}")
