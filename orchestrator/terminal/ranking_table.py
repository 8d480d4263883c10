"""A ranking in words: a table with interval bars, what it shows, what it cost, what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.analysis.ranking import RankedNetwork, Ranking
from orchestrator.formatting import duration, plain, share

BAR = 24
SHOWN = 8


def lines(ranking: Ranking) -> Iterator[str]:
    """The table, best first, and what it shows."""
    networks = ranking.networks
    width = max(len("network"), *(len(one.backbone) for one in networks))
    low, high = min(one.low for one in networks), max(one.high for one in networks)
    head = f"{'network':<{width}}  {'probe':>6}  {'95% interval':<{BAR + 14}}  {'kNN':>6}  LogME"
    yield f"{head}  seconds"
    for one in networks:
        interval = f"{100 * one.low:.1f}-{100 * one.high:.1f}%"
        drawn = f"{bar(one, low, high)} {interval:<13}"
        yield (
            f"{plain(one.backbone):<{width}}  {share(one.probe_accuracy):>6}  {drawn}  "
            f"{share(one.knn_accuracy):>6}  {one.logme:5.2f}  {one.seconds:.1f}"
        )
    yield from _judged(ranking)
    yield _compared(ranking)
    yield _cost(ranking)
    for name, why in ranking.missing.items():
        yield f"not ranked: {plain(name)}{f': {plain(why)}' if why else ', still to be done'}"


def bar(one: RankedNetwork, low: float, high: float) -> str:
    """The interval of a network on a line from the lowest bound to the highest."""
    span = max(high - low, 1e-9)
    places = [
        round((BAR - 1) * (each - low) / span) for each in (one.low, one.probe_accuracy, one.high)
    ]
    cells = [" "] * BAR
    cells[places[0] : places[2] + 1] = "-" * (places[2] - places[0] + 1)
    cells[places[1]] = "o"
    return "".join(cells)


def _judged(ranking: Ranking) -> Iterator[str]:
    groups = f" (images of one of the {ranking.groups:,} groups stay together)"
    yield (
        f"right answers to {ranking.images:,} training and validation images of {ranking.classes} "
        f"classes, by {ranking.folds}-fold cross-validation{groups if ranking.groups else ''}; "
        "test images were not used"
    )


def _compared(ranking: Ranking) -> str:
    best, *rest = ranking.networks
    alike = [one.backbone for one in rest if not one.behind]
    behind = [one for one in rest if one.behind]
    test = "a permutation test over groups" if ranking.groups else "McNemar's test"
    told = f"first: {plain(best.backbone)}"
    if alike:
        told += f"; not significantly behind it: {_few(alike)}"
    if behind:
        nearest = behind[0]
        points = -100 * nearest.difference
        each = [one.backbone for one in behind]
        told += f"; significantly behind: {_few(each)} (by {points:.1f} points or more)"
    return told + (f" ({test}, paired, Holm's correction)" if rest else "")


def _cost(ranking: Ranking) -> str:
    features = sum(one.feature_seconds for one in ranking.networks)
    devices = ", ".join(sorted({one.device for one in ranking.networks}))
    return (
        f"cost: {duration(ranking.seconds)} of work on {plain(devices)}, "
        f"{duration(features)} of it for features, which are kept"
    )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(plain, names[:SHOWN]))}{more}"
