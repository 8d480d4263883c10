"""How often networks disagree about a test image: measured on the same data, else assumed."""

from __future__ import annotations

import contextlib
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from jobs.errors import OrchError
from jobs.store import tables
from jobs.store.store import Store
from jobs.task import Trial
from orchestrator.analysis.power import ASSUMED_NOISE

ASSUMED = 0.1
MAX_TRIALS = 12


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The share of images that one of two networks alone predicts correctly, and its noise.

    `noise` is the same of two seeds of one network. The `_from` say where each comes from.
    """

    rate: float
    rate_from: str
    noise: float
    noise_from: str


def measure(
    store: Store, data_sets: Sequence[str], trials: Mapping[str, Sequence[Trial]]
) -> Disagreement:
    """Measured on a data set of this name, else on another of the same source, else assumed."""
    stems = {name.rsplit("-", 2)[0] for name in data_sets}
    by_data = defaultdict[str, list[Trial]](list)
    for trial in (each for several in trials.values() for each in several):
        if trial.data.rsplit("-", 2)[0] in stems:
            by_data[trial.data].append(trial)
    rates, seeds, source = list[float](), list[float](), ""
    for data in sorted(by_data, key=lambda name: (name not in data_sets, -len(by_data[name]))):
        wrong = dict(islice(_tested(store, by_data[data]), MAX_TRIALS))
        of_networks, of_seeds = _compared(wrong)
        if of_networks and not rates:
            rates, source = of_networks, data
        seeds = seeds or of_seeds
    rate = statistics.mean(rates) if rates else ASSUMED
    return Disagreement(
        rate,
        f"measured on {source}" if rates else "assumed",
        min(statistics.mean(seeds), rate) if seeds else ASSUMED_NOISE * rate,
        "measured between seeds" if seeds else "assumed to be half of that",
    )


Wrong = tuple[frozenset[str], int]
"""The images that a trial predicted wrongly, and how many it was tested on."""


def _tested(store: Store, trials: Sequence[Trial]) -> list[tuple[Trial, Wrong]]:
    """The tested trials with what they got wrong after their last tested epoch."""
    tested = []
    for trial in trials:
        with contextlib.suppress(OrchError, OSError):
            columns = ["epoch", "image", "label_rank"]
            rows = tables.read_rows(store.root, "predictions", [trial.name], columns).to_pylist()
            last = max((row["epoch"] for row in rows), default=0)
            final = [row for row in rows if row["epoch"] == last]
            if final:
                wrong = frozenset(row["image"] for row in final if row["label_rank"] != 0)
                tested.append((trial, (wrong, len(final))))
    return tested


def _compared(tested: Mapping[Trial, Wrong]) -> tuple[list[float], list[float]]:
    """The disagreement of every two trials: of different networks, and of two seeds of one."""
    rates, seeds = list[float](), list[float]()
    for (one, (wrong, total)), (other, (others, count)) in combinations(tested.items(), 2):
        if total != count:
            continue
        alike = {**one.as_dict(), "seed": 0} == {**other.as_dict(), "seed": 0}
        (seeds if alike else rates).append(len(wrong ^ others) / total)
    return rates, seeds
