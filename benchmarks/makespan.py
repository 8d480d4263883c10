"""How long the study takes on 1 to 16 simulated GPUs of different speeds, beside the least that is
possible.

Simulated time; the plan, the order of the queue and the take-overs are those of the real workers.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from benchmarks.simulation import EVALUATION_EPOCHS, IMAGES_AN_EPOCH, Costs, Simulation, Truth
from jobs import plan
from jobs.catalog import backbones
from jobs.plan import Plan
from jobs.spec import model
from workers.scheduling import rebalance, throughput


@dataclass(frozen=True, slots=True)
class Fleet:
    """GPUs by their speed, the fastest being 1."""

    name: str
    speeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A study on a fleet: what really holds, and what workers know of it before they begin."""

    asked: Plan
    truth: Truth
    known: tuple[dict[str, float], ...]
    seed: int


def fleets(draws: int) -> Iterator[Fleet]:
    """Equal GPUs, speeds spread evenly over 1:4, one fast and many slow ones, and random draws."""
    for count in (1, 2, 3, 4, 6, 8, 12, 16):
        yield Fleet(f"{count} equal", (1.0,) * count)
    for count in (2, 3, 4, 6, 8, 12, 16):
        yield Fleet(
            f"{count} spread 1:4", tuple(1 - 0.75 * place / (count - 1) for place in range(count))
        )
    for count in (2, 4, 8, 16):
        yield Fleet(f"1 fast, {count - 1} at 1/4", (1.0,) + (0.25,) * (count - 1))
    rng = random.Random(5)
    for draw in range(draws):
        count = rng.randint(2, 16)
        drawn = [rng.uniform(0.25, 1.0) for _ in range(count)]
        yield Fleet(f"random {draw + 1}: {count}", tuple(speed / max(drawn) for speed in drawn))


def case(
    fleet: Fleet, seeds: int, study_s: float, costs: Costs, wrong: float, history: bool, seed: int
) -> Case:
    """`wrong`: real costs differ from the catalog's by up to this factor; `history`: past attempts
    are on record.
    """
    rng = random.Random(seed)
    asked = plan.unfold(
        model.build({"backbones": list(backbones.CATALOG), "seeds": seeds, "data": "digits"}),
        "study",
    )
    real = {
        name: entry.relative_cost * wrong ** rng.uniform(-1, 1)
        for name, entry in backbones.CATALOG.items()
    }
    images = asked.target_epochs[-1] * IMAGES_AN_EPOCH
    unit = images * sum(real.values()) / study_s
    rates = tuple(
        {name: speed * unit / cost for name, cost in real.items()} for speed in fleet.speeds
    )
    known = tuple(
        {
            throughput.training_kind(name, 224, None): rate
            * (1 + rng.uniform(-costs.noise, costs.noise))
            for name, rate in each.items()
        }
        if history
        else {}
        for each in rates
    )
    return Case(asked, Truth(fleet.speeds, rates), known, seed)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least that is possible, in seconds from submission on.

    `stated`: work / total speed, or the longest chain on the fastest GPU. `tight`: also the k
    longest chains on the k fastest GPUs, which no scheduler can beat either, since a chain is on
    one GPU at a time (Horvath, Lam, Sethi 1977).
    """

    stated: float
    tight: float


def bounds(each: Case, speeds: Sequence[float], costs: Costs) -> Bounds:
    """Bounds of a case; preparing the data, which nothing can overlap, is added to both."""
    marks, fast = len(each.asked.target_epochs), sorted(speeds, reverse=True)
    fastest = speeds.index(fast[0])
    epochs = [each.truth.epochs_s(fastest, trial.backbone, 1.0) for trial in each.asked.trials]
    chains = sorted(
        (
            (each.asked.target_epochs[-1] + EVALUATION_EPOCHS) * epoch_s
            + (marks + 1) * costs.begin_s
            for epoch_s in epochs
        ),
        reverse=True,
    )
    beside = (marks - 1) * sum(EVALUATION_EPOCHS * epoch_s + costs.begin_s for epoch_s in epochs)
    stated = max((sum(chains) + beside) / sum(fast), chains[0])
    several = rebalance.least_s(chains, fast)
    return Bounds(costs.prepare_s + stated, costs.prepare_s + max(stated, several))


def clairvoyant(each: Case, costs: Costs) -> float:
    """Every trial to the GPU that ends it first, the longest first; all costs known, nothing moved
    afterwards.
    """
    ends = [costs.prepare_s] * len(each.truth.rates)
    marks = each.asked.target_epochs
    epochs = marks[-1] + len(marks) * EVALUATION_EPOCHS
    for trial in sorted(
        each.asked.trials, key=lambda trial: -each.truth.epochs_s(0, trial.backbone, 1.0)
    ):
        took = [
            each.truth.epochs_s(place, trial.backbone, epochs)
            + 2 * len(marks) * costs.begin_s / speed
            for place, speed in enumerate(each.truth.speeds)
        ]
        best = min(range(len(ends)), key=lambda place: ends[place] + took[place])
        ends[best] += took[best]
    return max(ends)


def stay(
    mates: Sequence[rebalance.Peer], waiting: Sequence[rebalance.ActiveTraining]
) -> list[rebalance.Reassignment]:
    """Nothing is taken over."""
    return []


RIVALS = ("priority only", "whole trials, clairvoyant", "ours")
VARIANTS = {
    "1 seed, catalog's costs right": (1, 1.0, True),
    "1 seed, catalog wrong by up to 2": (1, 2.0, True),
    "3 seeds, catalog wrong by up to 2": (3, 2.0, True),
    "first run ever, 1 seed, wrong by up to 2": (1, 2.0, False),
}
"""Seeds, by what factor real costs differ from the catalog's, and whether past attempts are on
record.
"""


def measured(fleet: Fleet, options: argparse.Namespace, variant: str) -> dict[str, Any]:
    """The rivals' times and the bounds on one fleet, in seconds."""
    seeds, wrong, history = VARIANTS[variant]
    costs = Costs(stop_s=max(0.0, options.take_over_s - 1.5))
    each = case(
        fleet, seeds, options.study_minutes * 60, costs, wrong, history, seed=len(fleet.name)
    )
    least = bounds(each, fleet.speeds, costs)
    ours = Simulation(each.asked, each.truth, each.known, costs, rebalance.reassignments, each.seed)
    today = Simulation(each.asked, each.truth, each.known, costs, stay, each.seed, goes_on=False)
    times = (today.run(), clairvoyant(each, costs), ours.run())
    return {
        "variant": variant,
        "fleet": fleet.name,
        "speeds": fleet.speeds,
        "stated_s": least.stated,
        "tight_s": least.tight,
        "take_overs": ours.handed_over,
        **dict(zip(RIVALS, times, strict=True)),
    }


def summary(variant: str, found: Sequence[dict[str, Any]]) -> list[Any]:
    """One row: the worst and the mean ratio to the tight bound of each rival, and ours to the
    stated one.
    """
    row: list[Any] = [variant]
    for rival, bound in (*((rival, "tight_s") for rival in RIVALS), ("ours", "stated_s")):
        ratios = [each[rival] / each[bound] for each in found]
        row.append(f"{max(ratios):.3f} / {statistics.mean(ratios):.3f}")
    return [
        *row,
        f"{sum(each['ours'] <= 1.05 * each['tight_s'] for each in found)} of {len(found)}",
    ]


def main() -> int:
    """Simulate every fleet in every variant and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10, help="fleets of random size and speeds")
    parser.add_argument(
        "--study-minutes",
        type=float,
        default=10.0,
        help="the study's arithmetic on the fastest GPU",
    )
    parser.add_argument(
        "--take-over-s", type=float, default=4.0, help="what a take-over costs each of the two"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the goal is missed")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    for variant in VARIANTS:
        for fleet in fleets(options.draws):
            common.say(f"{variant}: {fleet.name}")
            found.append(measured(fleet, options, variant))
    common.say("")
    first = next(iter(VARIANTS))
    rows = [
        [
            each["fleet"],
            each["stated_s"],
            each["tight_s"],
            *(f"{each[rival] / each['tight_s']:.3f}" for rival in RIVALS),
            f"{each['ours'] / each['stated_s']:.3f}",
            each["take_overs"],
        ]
        for each in found
        if each["variant"] == first
    ]
    head = ("fleet", "stated bound s", "tight bound s", *RIVALS, "ours / stated", "take-overs")
    by_variant = [
        summary(variant, [each for each in found if each["variant"] == variant])
        for variant in VARIANTS
    ]
    shown = (
        f"{first}: times / tight bound\n"
        + common.table(head, rows)
        + "\n\nworst / mean over all fleets\n"
        + common.table(("variant", *RIVALS, "ours / stated", "within 5%"), by_variant)
    )
    goals = [
        common.Goal(
            f"{variant}: {what} of makespan / {bound} bound",
            pick(each["ours"] / each[f"{bound}_s"] for each in found if each["variant"] == variant),
            1.05,
            at_most=True,
        )
        for variant in VARIANTS
        for bound in ("tight", "stated")
        for what, pick in (("mean", statistics.mean), ("worst", max))
    ]
    return common.publish(
        "Makespan of the study on simulated fleets",
        shown,
        goals,
        found,
        options.json,
        options.check,
    )


if __name__ == "__main__":
    sys.exit(main())
