"""How often equal networks are said to lead, and better ones found: `python
benchmarks/false_leads.py`.

Simulated networks answer the same images. The report's own rule decides
(`leader.beats_all_rivals`). `false_lead` is the share of draws in which one of equally good
networks "leads". `power_2` and `power_4` are the shares in which the first does while it is truly 2
or 4 points better. Promised: at most 5% false leads in every cell, and none with one seed.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import Goal, publish, say, table
from scipy import special

from orchestrator.analysis.leader import beats_all_rivals
from orchestrator.analysis.seed_intervals import all_moments

LEVEL = 0.05
Shape = tuple[int, int, int]
"""Numbers of networks, seeds and images."""
NETWORKS, SEEDS, IMAGES = (2, 7), (1, 2, 3, 5), (240, 2_000, 10_000)
DEVIATIONS: Mapping[str | float, tuple[float, ...]] = {
    1.0: (1.0,),
    2.0: (2.0,),
    "1 and 3": (1.0, 3.0),
    "0.5 and 3": (0.5, 3.0),
    "1, one seed collapsed": (1.0,),
}
"""Deviations over seeds in percentage points, taken by the networks in turn."""
BETTER = {"false_lead": 0.0, "power_2": 0.02, "power_4": 0.04}
ACCURACY, CHANCE = 0.8, 0.1
SHARED, OWN = 0.5, 0.2
"""Shares of an image's difficulty: the same for all networks, and for all seeds of one network."""


def latent(rng: np.random.Generator, networks: int, seeds: int, images: int) -> Any:
    """How hard each image is for each trial, standard normal: (networks, seeds, images)."""
    drawn = partial(rng.standard_normal, dtype=np.float32)
    alone = math.sqrt(1 - SHARED - OWN)
    hard = math.sqrt(SHARED) * drawn(images) + math.sqrt(OWN) * drawn((networks, 1, images))
    return hard + alone * drawn((networks, seeds, images))


def accuracies(
    rng: np.random.Generator, deviation: str | float, networks: int, seeds: int
) -> np.ndarray[Any, Any]:
    """The true accuracy of each trial of equally good networks: (networks, seeds)."""
    scatter = np.resize(np.array(DEVIATIONS[deviation]) / 100, networks)[:, None]
    drawn = ACCURACY + scatter * rng.standard_normal((networks, seeds))
    if "collapsed" in str(deviation):
        drawn[rng.integers(networks), rng.integers(seeds)] = CHANCE
    return drawn


def decide(hard: Any, accuracy: np.ndarray[Any, Any]) -> str | None:
    """The network that leads by the report's rule."""
    limits = special.ndtri(np.clip(accuracy, 0.001, 0.999)).astype(np.float32)
    right = hard < limits[:, :, None]
    return beats_all_rivals(all_moments({str(place): rows for place, rows in enumerate(right)}))


def cell(shape: tuple[int, int, int], draws: int, seed: int) -> list[dict[str, Any]]:
    """The rows of one size, one for each kind of deviation; all share the drawn images."""
    networks, seeds, images = shape
    rng = np.random.default_rng([seed, *shape])
    counts: dict[str | float, dict[str, int]] = {
        each: dict.fromkeys(BETTER, 0) for each in DEVIATIONS
    }
    for _ in range(draws):
        hard = latent(rng, *shape)
        for deviation, of_cell in counts.items():
            equal = accuracies(rng, deviation, networks, seeds)
            for figure, better in BETTER.items():
                accuracy = equal.copy()
                accuracy[0, equal[0] > CHANCE] += better
                leader = decide(hard, accuracy)
                of_cell[figure] += leader == "0" if better else leader is not None
    return [
        {"networks": networks, "seeds": seeds, "images": images, "deviation": deviation}
        | {figure: count / draws for figure, count in of_cell.items()}
        for deviation, of_cell in counts.items()
    ]


def measure(
    draws: int, seed: int, images: Sequence[int] = IMAGES, workers: int | None = None
) -> list[dict[str, Any]]:
    """All rows."""
    shapes = list(itertools.product(NETWORKS, SEEDS, images))
    return simulate(partial(cell, draws=draws, seed=seed), shapes, workers)


def simulate(
    rows_of: Callable[[Shape], list[dict[str, Any]]],
    shapes: Sequence[Shape],
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """The rows of all shapes in their order; the largest are worked on first, side by side."""
    order = sorted(shapes, key=math.prod, reverse=True)
    by_shape = {}
    with ProcessPoolExecutor(workers or len(os.sched_getaffinity(0))) as pool:
        for done, (shape, rows) in enumerate(zip(order, pool.map(rows_of, order), strict=True), 1):
            say(f"{done} of {len(order)} sizes")
            by_shape[shape] = rows
    say("")
    return [row for shape in shapes for row in by_shape[shape]]


def goals(rows: Sequence[Mapping[str, Any]], draws: int) -> list[Goal]:
    """At most 5% with the noise of the worst of all cells; none with one seed."""
    several = [row["false_lead"] for row in rows if row["seeds"] > 1]
    single = [row["false_lead"] for row in rows if row["seeds"] == 1]
    noise = 3 * math.sqrt(LEVEL * (1 - LEVEL) / draws)
    return [
        Goal("share of false leads, the worst cell", max(several), LEVEL + noise, at_most=True),
        Goal("share of false leads with one seed", max(single), 0.0, at_most=True),
    ]


def arguments(description: str | None, draws: int, images: Sequence[int]) -> argparse.Namespace:
    """The command line of such a simulation."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=0, help="of the simulation")
    parser.add_argument("--draws", type=int, default=draws, help="simulated studies a cell")
    parser.add_argument("--images", type=int, nargs="+", default=list(images))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="leave with 1 if a goal is missed")
    return parser.parse_args()


def main() -> int:
    """Simulate, print, and write JSON where asked."""
    asked = arguments(__doc__, 2_000, IMAGES)
    rows = measure(asked.draws, asked.seed, asked.images)
    head = ("networks", "seeds", "images", "deviation", *BETTER)
    shown = table(head, [[str(row[name]) for name in head] for row in rows])
    reached = goals(rows, asked.draws)
    title = f"False leads and power, {asked.draws} draws a cell"
    return publish(title, shown, reached, rows, asked.json, asked.check)


if __name__ == "__main__":
    raise SystemExit(main())
