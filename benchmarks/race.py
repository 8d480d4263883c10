"""What a race saves, and how often it keeps the winner: `python benchmarks/race.py`.

Each simulated race draws validation and test images anew and stops networks by the rule of `orch
submit --race` (`jobs.racing.stopping_rule`), on validation images alone. `saved` is how many times
more image-epochs training all to the end takes. The winner is kept if the best survivor on the test
images is the network that is best among all, or not significantly worse (one-sided McNemar's test,
5%). The study without ResNet34 is the hard case: its best network is behind for long.

With `rank` the worse half by a cheap score is left out before. That score is simulated: the final
accuracy, in standard units, with noise to the correlation in the column. Its cost is counted as
one pass over the images without gradients, a third of an epoch.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import race_curves
from common import Goal, publish, say, table
from race_curves import Curves, Right

from jobs.racing import stopping_rule
from jobs.racing.stopping_rule import behind

VALIDATION = (6_091, 1_000, 200)
"""Validation images of the study's curves: as many as it had, and fewer."""
CORRELATIONS = (None, 0.95, 0.9, 0.8, 0.6)
Source = Callable[[np.random.Generator], Curves]
REDRAWN = 20
PASS = 1 / 3
"""The cost of a pass without gradients, in epochs."""
WORSE = 0.05
SAVED, SAVED_RANKED, KEPT = 2.5, 4.0, 0.95


@dataclass(frozen=True)
class Outcome:
    """One race: epochs (in periods) of all and of the race, and what became of the winner."""

    cost: float
    whole: float
    same: bool
    kept: bool


def race(rng: np.random.Generator, curves: Curves, correlation: float | None) -> Outcome:
    """One race on a new draw of the images."""
    validation, test = curves.drawn(rng)
    names, looks = list(curves.right), curves.periods - 1
    racing = names if correlation is None else _better_half(rng, curves.final, correlation)
    cost = 0.0 if correlation is None else PASS * len(names) / curves.epochs_a_period
    rivals = len(racing) - 1
    for period in range(1, curves.periods + 1):
        cost += len(racing)
        if period <= looks and len(racing) > 1:
            racing = _survivors(curves, validation, racing, period, rivals)
    whole = len(names) * curves.periods
    first, own = (_best(test, among) for among in (names, racing))
    p = behind(test[own][-1:], test[first][-1:])
    return Outcome(cost, whole, own == first, own == first or p >= WORSE)


def _survivors(
    curves: Curves,
    validation: Mapping[str, Right],
    racing: Sequence[str],
    period: int,
    rivals: int,
) -> list[str]:
    """The networks that the rule lets go on."""
    end = period * curves.epochs_a_period
    right = {name: validation[name][end - 1 : end] for name in racing}
    errors = {name: list(1 - validation[name][:end].mean(axis=1)) for name in racing}
    trials, looks = {name: [name] for name in racing}, curves.periods - 1
    look = stopping_rule.look(right, trials, period, looks, rivals, errors, curves.epochs)
    stopped = {each.network for each in look.contenders if each.stops}
    return [name for name in racing if name not in stopped]


def _better_half(
    rng: np.random.Generator, final: Mapping[str, float], correlation: float
) -> list[str]:
    """The better half by a score with this correlation to the final accuracy."""
    values = np.array(list(final.values()))
    standard = (values - values.mean()) / values.std()
    noise = rng.standard_normal(len(values))
    scores = correlation * standard + math.sqrt(1 - correlation**2) * noise
    kept = np.argsort(-scores)[: math.ceil(len(values) / 2)]
    names = list(final)
    return [names[place] for place in sorted(kept)]


def _best(test: Mapping[str, Right], among: Sequence[str]) -> str:
    return max(among, key=lambda name: int(test[name][-1].sum()))


def cell(source: Source, correlation: float | None, races: int, seed: int) -> dict[str, Any]:
    """Many races; what is drawn of the curves is drawn anew every `REDRAWN` races."""
    rng = np.random.default_rng([seed, 0 if correlation is None else round(1000 * correlation)])
    outcomes, curves = list[Outcome](), source(rng)
    for number in range(races):
        curves = source(rng) if number % REDRAWN == 0 else curves
        outcomes.append(race(rng, curves, correlation))
    return {
        "curves": curves.name,
        "networks": len(curves.right),
        "periods": curves.periods,
        "validation": curves.validation,
        "rank": "none" if correlation is None else f"{correlation:g}",
        "saved": sum(each.whole for each in outcomes) / sum(each.cost for each in outcomes),
        "same": float(np.mean([each.same for each in outcomes])),
        "kept": float(np.mean([each.kept for each in outcomes])),
    }


def goals(cells: Sequence[Mapping[str, Any]]) -> list[Goal]:
    """What is promised of each cell."""
    made = []
    for each in cells:
        wanted = SAVED if each["rank"] == "none" else SAVED_RANKED
        name = f"{each['curves']}, {each['validation']} images, rank {each['rank']}"
        made += [Goal(f"{name}: times saved", each["saved"], wanted)]
        made += [Goal(f"{name}: winner kept", each["kept"], KEPT)]
    return made


def sources(recorded: Path) -> dict[str, Source]:
    """Where curves come from: modelled on the study's figures, and recorded."""
    made: dict[str, Source] = {
        f"study {images}": partial(race_curves.of_study, validation=images) for images in VALIDATION
    }
    made["without resnet34"] = partial(race_curves.of_study, without="resnet34")
    if recorded.exists():
        curves = race_curves.recorded(recorded)
        made[curves.name] = lambda rng: curves
    return made


def main() -> int:
    """Simulate, print and publish; returns the exit code."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--races", type=int, default=400)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--curves", type=Path, default=race_curves.RECORDED)
    asked.add_argument("--only", help="one source of curves by its name, such as animals22")
    asked.add_argument("--json", type=Path)
    asked.add_argument("--check", action="store_true")
    given = asked.parse_args()
    cells = []
    chosen = {n: s for n, s in sources(given.curves).items() if given.only in (None, n)}
    for name, source in chosen.items():
        for correlation in CORRELATIONS:
            say(f"{name}, rank {correlation}")
            cells.append(cell(source, correlation, given.races, given.seed))
    say("")
    head = list(cells[0])
    shown = table(head, [[each[key] for key in head] for each in cells])
    title = f"Races: {given.races} in each cell"
    return publish(title, shown, goals(cells), cells, given.json, given.check)


if __name__ == "__main__":
    sys.exit(main())
