"""The rule of a race: which networks stop, from which validation images they have right.

A network stops where it is significantly behind the leader, the one with the most images right. The
true best of m networks is wrongly stopped only if one of its m - 1 rivals is ahead of it by chance.
So p-values are multiplied by the number of rivals (Hsu 1981, Annals of Statistics 9:1026-1034), and
it does not matter that the leader is found on the same images.

A race looks several times. Each of its looks gets an equal share of the error, as alpha spending
does (Lan and DeMets 1983, Biometrika 70:659-663; Slud and Wei 1982, JASA 77:862-868). All looks use
the same images, so the usual relaxation for data that accumulate is not allowed: the p-value is
also multiplied by the number of looks, which holds under any dependence. A race then stops
the best network of a look in at most `LEVEL` of races.

Who is behind now may still overtake, and no test of one period knows that. So a network goes on
while its own curve may take it past the leader by the last epoch (`forecast`): the pace of its
curve is uncertain, as few images are validated, so the upper 95% limit of the pace counts. The
forecast is a guess, not a test. It only prevents stops, so the bound above still holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from jobs.statistics.mcnemar import mcnemar
from jobs.statistics.seed_intervals import seed_difference, seed_moments
from jobs.store.decisions import Contender, Look

Right = np.ndarray[Any, np.dtype[np.bool_]]
"""Which images a network has right, as (seeds, images)."""

LEVEL = 0.05
"""The error of a whole race: the share of races that may stop the best network."""
PACE_LIMIT = 1.645
"""Standard errors by which the pace of who is behind is taken to be faster: one-sided 95%."""
DIGITS = 6
"""Significant digits that are recorded and compared, so that machines agree."""


def look(
    right: Mapping[str, Right],
    trials: Mapping[str, Sequence[str]],
    number: int,
    looks: int,
    rivals: int,
    errors: Mapping[str, Sequence[float]],
    epochs: int,
) -> Look:
    """Compare networks by the images that each has `right`, as (seeds, images).

    `trials` are those of each network; one without answers is absent. `rivals` are the networks of
    the whole race, less one. `errors` are the validation errors after each epoch so far, of the
    `epochs` of the whole race.
    """
    accuracy = {name: float(rows.mean(axis=1).mean()) for name, rows in right.items()}
    leader = max(right, key=lambda name: accuracy[name], default="")
    first = right[leader] if leader else None
    images = 0 if first is None else first.shape[1]
    limits = {name: 0.0 if name == leader else PACE_LIMIT for name in right}
    ends = {name: forecast(errors[name], epochs, images, limits[name]) for name in right}
    contenders = tuple(
        _against(name, (right[name], right[leader]), (ends[name], ends[leader]), trials[name])
        for name in right
        if name != leader
    )
    contenders = tuple(_judged(each, rivals * looks) for each in contenders)
    return Look(
        number=number,
        looks=looks,
        level=LEVEL,
        rivals=rivals,
        images=images,
        seeds=0 if first is None else len(first),
        leader=leader,
        leader_accuracy=rounded(accuracy.get(leader, 0.0)),
        contenders=contenders,
        absent=tuple(name for name in trials if name not in right),
    )


def _against(
    name: str,
    answers: tuple[Right, Right],
    ends: tuple[float | None, float | None],
    trials: Sequence[str],
) -> Contender:
    """A network against the leader, without corrections; its answers and forecast come first."""
    accuracy, best = (float(rows.mean(axis=1).mean()) for rows in answers)
    only_leader, only_own = discordant(*answers)
    own, leaders = (None if end is None else rounded(1 - end) for end in ends)
    return Contender(
        network=name,
        trials=tuple(trials),
        accuracy=rounded(accuracy),
        behind=rounded(best - accuracy),
        only_leader=only_leader,
        only_own=only_own,
        p=rounded(behind(*answers)),
        p_corrected=1.0,
        forecast=own,
        leader_forecast=leaders,
        stops=False,
    )


def behind(network: Right, leader: Right) -> float:
    """The one-sided p-value that a network is no worse than the leader on such images.

    With one seed it is McNemar's exact test. With several it counts seeds and images
    (`seed_intervals`), as the report does. Row i of both is one image.
    """
    if len(network) > 1 and len(leader) > 1:
        ours, theirs = seed_moments(network), seed_moments(leader)
        if ours is None or theirs is None:
            return 1.0
        difference = seed_difference(theirs, ours)
        return difference.p / 2 if difference.difference > 0 else 1 - difference.p / 2
    only_leader, only_own = discordant(network, leader)
    return mcnemar(only_leader, only_own, "first-better")


def discordant(network: Right, leader: Right) -> tuple[int, int]:
    """Images that only the leader, and only the network, has right with the first seed."""
    return int((leader[0] & ~network[0]).sum()), int((network[0] & ~leader[0]).sum())


def _judged(contender: Contender, comparisons: int) -> Contender:
    """Whether a network stops: behind, and not on the way past the leader."""
    corrected = rounded(min(1.0, contender.p * comparisons))
    own, leaders = contender.forecast, contender.leader_forecast
    stays_behind = own is not None and leaders is not None and own < leaders
    stops = corrected < LEVEL and stays_behind
    return replace(contender, p_corrected=corrected, stops=stops)


def forecast(
    errors: Sequence[float], epochs: int, images: int, faster: float = 0.0
) -> float | None:
    """The error after so many epochs, on the power law through the errors so far, from the last.

    Learning curves follow such laws for long stretches (Domhan, Springenberg and Hutter 2015, IJCAI
    3460-3468, have them among their curves). Errors below half an image count as that, and a curve
    that grows worse as flat. None with fewer than two epochs, which tell no pace.

    The pace is taken to be so many standard errors `faster`: that of a slope through logarithms of
    binomial errors of the last one's size. Of one that learned nothing so far, or that stopped
    early, the curve is flat whatever `faster` is.
    """
    if len(errors) < 2:
        return None
    logs = [math.log(max(error, 0.5 / max(images, 1))) for error in errors]
    times = [math.log(epoch) for epoch in range(1, len(errors) + 1)]
    middle, level = math.fsum(times) / len(times), math.fsum(logs) / len(logs)
    pairs = zip(times, logs, strict=True)
    slope = math.fsum((time - middle) * (log - level) for time, log in pairs)
    spread = math.fsum((time - middle) ** 2 for time in times)
    slope /= spread
    if min(logs) < max(logs):
        share = math.exp(logs[-1])
        slope -= faster * math.sqrt((1 - share) / (share * max(images, 1)) / spread)
    return math.exp(logs[-1] + min(slope, 0.0) * (math.log(epochs) - times[-1]))


def rounded(value: float) -> float:
    """A value as it is recorded."""
    return float(f"{value:.{DIGITS}g}")
