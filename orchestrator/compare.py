"""Rows become standings: means, spreads and intervals, by backbone and period."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs import catalog
from jobs.store import Run

if TYPE_CHECKING:
    import pyarrow as pa

Z95 = 1.959963984540054
"""The normal quantile that leaves 2.5% on either side."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of shares, 0..1."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the two ranges share a point."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean over n seeds and its sample deviation (n - 1), which one seed does not have."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Tested:
    """A trial on the test set: mean cross entropy, images right, images, and the Wilson 95% interval."""

    loss: float
    correct: int
    total: int
    interval: Interval

    @property
    def accuracy(self) -> float:
        """The share of images right, 0..1."""
        return self.correct / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a trial's learning curve; `period` is the run's own."""

    trial: str
    backbone: str
    seed: int
    period: int
    epoch: int
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float | None
    seconds: float | None
    images_per_second: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """One trial in one period: its test at the end (None: not yet), and the seconds of the epochs seen in it."""

    trial: str
    backbone: str
    seed: int
    period: int
    epoch: int
    tested: Tested | None
    epochs_seen: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One backbone in one period, over its seeds; a spread is None where no seed has come that far."""

    backbone: str
    period: int
    epoch: int
    results: tuple[Result, ...]
    accuracy: Spread | None
    loss: Spread | None
    seconds: Spread | None

    @property
    def tests(self) -> tuple[Tested, ...]:
        """The tests of the seeds that were evaluated, in the order of seeds."""
        return tuple(result.tested for result in self.results if result.tested)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All standings of a run, backbones in the catalog's order, and every epoch's row."""

    backbones: tuple[str, ...]
    periods: int
    standings: tuple[Standing, ...]
    epochs: tuple[Epoch, ...]

    def at(self, period: int) -> list[Standing]:
        """One standing a backbone, after that period."""
        return [standing for standing in self.standings if standing.period == period]


@dataclass(frozen=True, slots=True)
class Lead:
    """Who is ahead after a period: the ranking, how many share the first place, and how far the next one is."""

    period: int
    epoch: int
    ranking: tuple[Standing, ...]
    shared_by: int
    margin: float | None
    doubtful: bool


def wilson(correct: int, total: int, z: float = Z95) -> Interval:
    """The score interval of a share (Wilson 1927, JASA 22:209-212, without continuity correction)."""
    if total == 0:
        return Interval(0.0, 1.0)
    share, fraction = correct / total, z * z / total
    middle = (share + fraction / 2) / (1 + fraction)
    half = z * math.sqrt(share * (1 - share) / total + fraction / (4 * total)) / (1 + fraction)
    low = 0.0 if correct == 0 else middle - half
    return Interval(max(0.0, low), 1.0 if correct == total else min(1.0, middle + half))


def spread(values: Iterable[float]) -> Spread | None:
    """Mean and sample deviation; None of no values, deviation None of one."""
    known = list(values)
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return Spread(mean, None, 1)
    return Spread(mean, math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1)), len(known))


def compare(run: Run, whose: Mapping[str, tuple[str, int]], epochs: pa.Table, evaluations: pa.Table) -> Comparison:
    """The run's standings from rows of `epochs` and `evaluations`; `whose` gives each trial's backbone and seed.

    Periods are the run's own; rows of other trials, of later epochs, and of images that were made harder do not
    count, and a row that stands twice counts once.
    """
    lines = _epochs(run, whose, epochs)
    tests = _tests(run, whose, evaluations)
    present = {backbone for backbone, _ in whose.values()}
    order = [*(name for name in catalog.CATALOG if name in present), *sorted(present - set(catalog.CATALOG))]
    standings = [
        _standing(name, period, run.epoch_of(period), [
            _result(trial, name, seed, period, run.epoch_of(period), tests, lines)
            for trial, (backbone, seed) in sorted(whose.items(), key=lambda item: item[1][1])
            if backbone == name
        ])
        for period in range(1, run.spec.periods + 1)
        for name in order
    ]
    return Comparison(tuple(order), run.spec.periods, tuple(standings), tuple(lines))


def lead(comparison: Comparison, awaited: Collection[tuple[str, int]] = ()) -> Lead | None:
    """Who is ahead by test accuracy, after the last period that has no test still `awaited` (trial, period).

    While every period still waits for some, the one with most backbones tested is taken. None without any test.
    """
    tested = {p: sum(bool(s.tests) for s in comparison.at(p)) for p in range(1, comparison.periods + 1)}
    if not any(tested.values()):
        return None
    waiting = {period for _, period in awaited}
    settled = [period for period, count in tested.items() if count and period not in waiting]
    period = max(settled) if settled else max(tested, key=lambda p: (tested[p], p))
    ranking = sorted((s for s in comparison.at(period) if s.accuracy), key=lambda s: -_mean(s))
    shared_by = sum(_mean(s) == _mean(ranking[0]) for s in ranking)
    rest = ranking[shared_by:]
    margin = _mean(ranking[0]) - _mean(rest[0]) if rest else None
    doubtful = bool(rest) and _doubtful(ranking[0], rest[0])
    return Lead(period, ranking[0].epoch, tuple(ranking), shared_by, margin, doubtful)


def _mean(standing: Standing) -> float:
    return standing.accuracy.mean if standing.accuracy else -1.0


def _doubtful(first: Standing, second: Standing) -> bool:
    """One seed: the intervals overlap. Several: the means are closer than the larger of the two deviations."""
    deviations = [s.accuracy.deviation for s in (first, second) if s.accuracy and s.accuracy.deviation is not None]
    if deviations:
        return _mean(first) - _mean(second) < max(deviations)
    return first.tests[0].interval.overlaps(second.tests[0].interval)


def _epochs(run: Run, whose: Mapping[str, tuple[str, int]], table: pa.Table) -> list[Epoch]:
    rows: dict[tuple[str, int], Epoch] = {}
    for row in table.to_pylist():
        key = (row["trial"], row["epoch"])
        if row["trial"] in whose and 1 <= row["epoch"] <= run.spec.epochs and key not in rows:
            measures: dict[str, Any] = {name: _finite(row[name]) for name in Epoch.__slots__[5:]}
            rows[key] = Epoch(row["trial"], *whose[row["trial"]], run.period_of(row["epoch"]), row["epoch"], **measures)
    return [rows[key] for key in sorted(rows)]


def _tests(run: Run, whose: Mapping[str, tuple[str, int]], table: pa.Table) -> dict[tuple[str, int], Tested]:
    tests: dict[tuple[str, int], Tested] = {}
    for row in table.to_pylist():
        plain = (row["corruption"] or "none") == "none" and not row["severity"]
        if plain and row["trial"] in whose and (row["trial"], row["epoch"]) not in tests:
            correct, total = row["correct"], row["total"]
            tests[row["trial"], row["epoch"]] = Tested(row["loss"], correct, total, wilson(correct, total))
    return tests


def _result(
    trial: str, backbone: str, seed: int, period: int, epoch: int,
    tests: Mapping[tuple[str, int], Tested], lines: Sequence[Epoch],
) -> Result:
    seen = [line for line in lines if line.trial == trial and line.period == period]
    seconds = math.fsum(line.seconds or 0.0 for line in seen) if seen else None
    return Result(trial, backbone, seed, period, epoch, tests.get((trial, epoch)), len(seen), seconds)


def _standing(backbone: str, period: int, epoch: int, results: Sequence[Result]) -> Standing:
    tests = [result.tested for result in results if result.tested]
    seconds = spread(result.seconds for result in results if result.seconds is not None)
    accuracy, loss = spread(t.accuracy for t in tests), spread(t.loss for t in tests)
    return Standing(backbone, period, epoch, tuple(results), accuracy, loss, seconds)


def _finite(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None
