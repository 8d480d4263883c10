"""A run over several splits: each split compared as a run of its own, and all of them pooled.

Standings, curves, costs and tests are of all splits. What is of single images, such as confusion
matrices, is that of the first split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.errors import OrchError
from jobs.statistics.interval import Interval
from jobs.store import splits
from orchestrator.analysis import standings
from orchestrator.analysis.leader import LeaderVerdict, among, find_leader, judge_leader
from orchestrator.analysis.leaks import Leaks
from orchestrator.analysis.load import StoredResults, load_results, nothing_yet
from orchestrator.analysis.noninferiority import NonInferiority, noninferior_over_splits
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.resampled import (
    Mean,
    Sizes,
    difference_over_splits,
    mean_over_splits,
    resampled_tests,
)
from orchestrator.analysis.run_data import RunData, compare_networks, with_leaks
from orchestrator.analysis.scoring import awaited
from orchestrator.analysis.spreads import Spread, spread
from orchestrator.analysis.standings import Comparison, PeriodResult, Standing
from orchestrator.analysis.unlearned import Learning, Unlearned

if TYPE_CHECKING:
    from jobs.catalog.metrics import Metric
    from jobs.store.runs import Run
    from jobs.store.store import Store

V = TypeVar("V")
Parts = Mapping[int, RunData]
"""The run data of each split that has results, by what drew it."""


def read(store: Store, run: Run, periods: Sequence[int], metric: Metric | None) -> RunData:
    """The run data of all splits together; raises `OrchError` when nothing is done yet."""
    stored = {
        split: load_results(store, splits.part(store, run, split)) for split in run.spec.split_seeds
    }
    parts = _compared(stored, periods, metric)
    if not parts:
        raise OrchError(nothing_yet(next(iter(stored.values()))))
    settled = _settled(_comparison(parts), stored)
    if settled and any(part.period != settled for part in parts.values()):
        parts = _compared(stored, (settled,), metric)
    parts = {split: with_leaks(store, stored[split], part) for split, part in parts.items()}
    pooled = _pooled(run, stored, parts)
    rest = {split: _rest(part) for split, part in parts.items()}
    left = {split: part for split, part in rest.items() if part is not None}
    leaks = _leaks(parts)
    restated = leaks is not None and bool(leaks.pairs) and bool(left) and pooled.leader is not None
    without = _pooled(run, stored, left) if restated else None
    return replace(pooled, leaks=leaks, without_suspects=without)


def tests(run_data: RunData) -> tuple[PairwiseTest, ...]:
    """Every two networks, by the corrected resampled t-test over the splits."""
    metric, at = run_data.metric, run_data.comparison.at(run_data.period)
    values = {one.backbone: by_split(one) for one in at if one.lead}
    return resampled_tests(
        values,
        _sizes(run_data.splits),
        higher_is_better=metric.higher_is_better,
    )


def noninferiority(
    run_data: RunData, reference: str, names: Sequence[str], margin: float
) -> tuple[NonInferiority, ...]:
    """Test whether these networks are at most the margin worse than the reference, over splits."""
    metric, at = run_data.metric, run_data.comparison.at(run_data.period)
    values = {one.backbone: by_split(one) for one in at if one.lead}
    sizes, gains = _sizes(run_data.splits), dict[str, Mean]()
    for name in names:
        if name != reference and {name, reference} <= values.keys():
            difference = difference_over_splits(values[name], values[reference], sizes)
            if difference is not None:
                gains[name] = replace(difference, value=metric.sign * difference.value)
    return noninferior_over_splits(gains, reference, margin)


def verdict(run_data: RunData, paired_tests: Sequence[PairwiseTest]) -> LeaderVerdict | None:
    """What the leader beats over the splits; it leads where it beats every rival."""
    if run_data.leader is None:
        return None
    judged = judge_leader(run_data.leader, paired_tests)
    beats_all = judged.paired_test is not None and not (judged.alike or judged.untested)
    return replace(judged, leads=beats_all)


def by_split(standing: Standing) -> dict[int, float]:
    """The leading metric on each split, the mean over its seeds."""
    values = _values_by_split(standing.metric.name, standing.results)
    return {split: fmean(of_split) for split, of_split in values.items()}


def _values_by_split(metric: str, results: Iterable[PeriodResult]) -> dict[int, list[float]]:
    """A metric of the trainings on each split, in order."""
    values: dict[int, list[float]] = {}
    for result in results:
        if result.split is not None and metric in result.metrics:
            values.setdefault(result.split, []).append(result.metrics[metric])
    return dict(sorted(values.items()))


def _compared(
    stored: Mapping[int, StoredResults], periods: Sequence[int], metric: Metric | None
) -> dict[int, RunData]:
    """The comparison of each split that has results."""
    return {
        split: compare_networks(one, periods, metric)
        for split, one in stored.items()
        if one.epochs.num_rows or one.evaluations.num_rows
    }


def _settled(comparison: Comparison, stored: Mapping[int, StoredResults]) -> int | None:
    """The period to compare at: the last with no test pending on any split."""
    pending = {each for one in stored.values() for each in awaited(one.run, one.states)}
    leader = find_leader(comparison, pending)
    return leader.period if leader else None


def _pooled(run: Run, stored: Mapping[int, StoredResults], parts: Parts) -> RunData:
    """The results of these splits together; the rest is that of the first of them."""
    first, comparison, learning = next(iter(parts.values())), _comparison(parts), _learning(parts)
    learned = learning.learned(comparison.backbones, first.period)
    leader = find_leader(comparison, period=first.period)
    return replace(
        first,
        run=run,
        comparison=comparison,
        learning=learning,
        leader=among(leader, learned) if leader else None,
        trials=_merged(one.trials for one in stored.values()),
        states=_merged(one.states for one in stored.values()),
        failures=_merged(one.failures for one in stored.values()),
        training=_merged(one.training for one in stored.values()),
        trainings=_merged(one.trainings for one in stored.values()),
        labels=_merged(one.labels for one in stored.values()),
        attempts=_joined([one.attempts for one in stored.values()]),
        splits=dict(parts),
        split_of={name: split for split, one in stored.items() for name in one.trials},
    )


def _merged(several: Iterable[Mapping[str, V]]) -> dict[str, V]:
    return {key: value for one in several for key, value in one.items()}


def _joined(tables: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables(tables).unify_dictionaries()


def _comparison(parts: Parts) -> Comparison:
    """Standings over all splits, and the rows of all epochs."""
    sides = {split: part.comparison for split, part in parts.items()}
    first = next(iter(sides.values()))
    together: dict[tuple[int, str], dict[int, Standing]] = {}
    for split, side in sides.items():
        for one in side.standings:
            together.setdefault((one.period, one.backbone), {})[split] = one
    sizes = _sizes(parts)
    return replace(
        first,
        standings=tuple(_standing(_common(together, *key), sizes) for key in together),
        epochs=tuple(row for side in sides.values() for row in side.epochs),
        stops={trial: stop for side in sides.values() for trial, stop in side.stops.items()},
    )


def _common(
    together: Mapping[tuple[int, str], Mapping[int, Standing]], period: int, backbone: str
) -> Mapping[int, Standing]:
    """A network's standings on the splits on which all were tested that were at all; or its own.

    Splits differ in difficulty, so a network is not compared by other splits than its rivals.
    """
    tested = [
        {split for split, one in of_splits.items() if one.lead}
        for (at, _), of_splits in together.items()
        if at == period
    ]
    own, known = together[period, backbone], [splits for splits in tested if splits]
    shared = set.intersection(*known) if known else set()
    return {split: one for split, one in own.items() if split in shared} or own


def _standing(of_splits: Mapping[int, Standing], sizes: Sizes) -> Standing:
    first = next(iter(of_splits.values()))
    results = tuple(
        replace(result, split=split) for split, one in of_splits.items() for result in one.results
    )
    seconds = spread(result.seconds for result in results if result.seconds is not None)
    spreads = standings.spreads([result.metrics for result in results])
    spreads = {name: _weighted(name, one, results) for name, one in spreads.items()}
    pooled = replace(first, results=results, seconds=seconds, metrics=spreads, interval=None)
    mean = mean_over_splits(list(by_split(pooled).values()), sizes.ratio, sizes.least_variance)
    ends = mean.interval if mean else None
    if ends:
        highest = 1.0 if first.metric.form == "share" else math.inf
        ends = Interval(max(ends.low, 0.0), min(ends.high, highest))
    return replace(pooled, over_splits=ends)


def _weighted(metric: str, of_trainings: Spread, results: Sequence[PeriodResult]) -> Spread:
    """The spread of a metric over trainings, its mean weighted so that all splits count alike."""
    values = _values_by_split(metric, results).values()
    if len({len(of_split) for of_split in values}) < 2:
        return of_trainings
    mean, ends = fmean(fmean(of_split) for of_split in values), of_trainings.interval
    moved = mean - of_trainings.mean
    interval = Interval(ends.low + moved, ends.high + moved) if ends else None
    return replace(of_trainings, mean=mean, interval=interval)


def _sizes(parts: Parts) -> Sizes:
    """The images that are trained and tested on, and what one changes: means over splits."""
    train = [
        sum(counts["train"] for counts in part.images_by_class.values()) for part in parts.values()
    ]
    test = [part.test_images for part in parts.values()]
    swing = fmean(part.swing for part in parts.values())
    return Sizes(max(fmean(train), 1.0), max(fmean(test), 1.0), swing)


def _learning(parts: Parts) -> Learning:
    """What learned nothing on any split; a network where no training on any split did."""
    unlearned: dict[tuple[str, int], tuple[Unlearned, ...]] = {}
    tested: dict[tuple[str, int], int] = {}
    for split, part in parts.items():
        for key, trials in part.learning.unlearned.items():
            marked = tuple(replace(trial, split=split) for trial in trials)
            unlearned[key] = (*unlearned.get(key, ()), *marked)
        for key, count in part.learning.tested.items():
            tested[key] = tested.get(key, 0) + count
    return replace(next(iter(parts.values())).learning, unlearned=unlearned, tested=tested)


def _rest(part: RunData) -> RunData | None:
    """A split without its suspects; None where no test image is left."""
    if part.without_suspects is not None:
        return part.without_suspects
    suspected = part.leaks is not None and not part.leaks.images.isdisjoint(part.predictions.images)
    return None if suspected else part


def _leaks(parts: Parts) -> Leaks | None:
    """The suspects of all splits; test images of several splits count once."""
    known = [part.leaks for part in parts.values() if part.leaks is not None]
    if not known:
        return None
    tested = {image for part in parts.values() for image in part.predictions.images}
    pairs = {(pair.image, pair.twin): pair for leaks in known for pair in leaks.pairs}
    return Leaks(
        len(tested) or known[0].tested,
        tuple(pairs[key] for key in sorted(pairs)),
        known[0].unseen,
    )
