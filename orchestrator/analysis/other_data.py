"""Results on other labelled data: accuracy, the drop against the own test images, the ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.statistics.interval import Interval
from orchestrator.analysis.spreads import wilson

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.store.other_data import OtherDataRecord

Whose = Mapping[str, tuple[str, int]]
"""Network and seed of each trial."""


@dataclass(frozen=True, slots=True)
class OtherResult:
    """One trial on other data: correct of `total`; `own_` is of the own test images."""

    trial: str
    seed: int
    epoch: int
    correct: int
    total: int
    own_accuracy: float | None
    own_total: int | None = None

    @property
    def accuracy(self) -> float:
        """The share of the other images that it predicted correctly."""
        return self.correct / self.total


@dataclass(frozen=True, slots=True)
class OtherNetwork:
    """One network on other data, means over its seeds; ranks count from 1, equal ones share one.

    `interval` is Wilson's 95% interval of the mean accuracy over that many images, `own_interval`
    that on the own test images. `drop` is the accuracy on these minus that on the others.
    """

    backbone: str
    accuracy: float
    interval: Interval
    own_accuracy: float | None
    drop: float | None
    rank: int
    own_rank: int | None
    trials: tuple[OtherResult, ...]
    own_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class OtherData:
    """Other data and the networks' results on it; the best network first.

    `tested` counts the images that were tested, `in_training` those of them that are also training
    or validation images of the run (equal files; None: unknown).
    """

    record: OtherDataRecord
    tested: int
    in_training: int | None
    networks: tuple[OtherNetwork, ...]


def measure(
    records: Sequence[OtherDataRecord],
    rows: pa.Table,
    own: pa.Table,
    whose: Whose,
    manifest: pa.Table | None,
    manifests: Mapping[str, pa.Table],
) -> tuple[OtherData, ...]:
    """The results on each of the other data that any network was tested on.

    `rows` are those of `other_evaluations`, `own` those of `evaluations`. Of a trial that was
    evaluated at several epochs the last counts.
    """
    tests = {
        (row["trial"], row["epoch"]): (row["correct"] / row["total"], row["total"])
        for row in own.to_pylist()
        if (row["corruption"] or "none") == "none" and row["total"]
    }
    by_data: dict[str, dict[str, OtherResult]] = {}
    for row in sorted(rows.to_pylist(), key=lambda row: int(row["epoch"])):
        key, seed = (row["trial"], row["epoch"]), whose[row["trial"]][1]
        own_of = tests.get(key, (None, None))
        one = OtherResult(key[0], seed, key[1], row["correct"], row["total"], *own_of)
        by_data.setdefault(row["data"], {})[row["trial"]] = one
    told = []
    for record in records:
        results = [one for name in record.data_sets for one in by_data.get(name, {}).values()]
        if results:
            seen = _in_training(record, manifest, manifests)
            tested = max(one.total for one in results)
            told.append(OtherData(record, tested, seen, _networks(results, whose)))
    return tuple(told)


def _networks(results: Sequence[OtherResult], whose: Whose) -> tuple[OtherNetwork, ...]:
    grouped: dict[str, list[OtherResult]] = {}
    for one in sorted(results, key=lambda one: one.seed):
        grouped.setdefault(whose[one.trial][0], []).append(one)
    accuracy = {name: _mean([one.accuracy for one in several]) for name, several in grouped.items()}
    own: dict[str, float] = {}
    for name, several in grouped.items():
        known = [one.own_accuracy for one in several if one.own_accuracy is not None]
        if len(known) == len(several):
            own[name] = _mean(known)
    networks = [
        OtherNetwork(
            name,
            accuracy[name],
            wilson(accuracy[name] * several[0].total, several[0].total),
            own.get(name),
            own[name] - accuracy[name] if name in own else None,
            _rank(name, accuracy),
            _rank(name, own) if name in own else None,
            tuple(several),
            _own_interval(several, own.get(name)),
        )
        for name, several in grouped.items()
    ]
    return tuple(sorted(networks, key=lambda one: (one.rank, one.backbone)))


def _own_interval(several: Sequence[OtherResult], accuracy: float | None) -> Interval | None:
    """Wilson's interval on the own test images; None where these are unknown."""
    totals = [one.own_total for one in several if one.own_total]
    return wilson(accuracy * totals[0], totals[0]) if accuracy is not None and totals else None


def _rank(name: str, values: Mapping[str, float]) -> int:
    return 1 + sum(value > values[name] + 1e-12 for value in values.values())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _in_training(
    record: OtherDataRecord, manifest: pa.Table | None, manifests: Mapping[str, pa.Table]
) -> int | None:
    """Tested images whose files are equal to training or validation images of the run."""
    other = next((manifests[name] for name in record.data_sets if name in manifests), None)
    if manifest is None or other is None:
        return None
    own = zip(*(manifest[name].to_pylist() for name in ("sha256", "split")), strict=True)
    trained = {sha256 for sha256, split in own if split != "test"}
    rows = zip(*(other[name].to_pylist() for name in ("sha256", "label")), strict=True)
    return sum(sha256 in trained for sha256, label in rows if label not in record.left_out)
