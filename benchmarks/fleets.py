"""Simulated fleets, the cases that are run on them, and the lower bounds of their makespan."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.simulated_study import EVALUATION_EPOCHS, IMAGES_PER_EPOCH, Costs, Truth
from jobs import plan
from jobs.catalog import backbones
from jobs.plan import Plan
from jobs.spec import model
from workers.scheduling import rebalance, throughput


@dataclass(frozen=True, slots=True)
class Fleet:
    """GPUs by their speed; the fastest has 1."""

    name: str
    speeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A study on a fleet: the true speeds, and the rates that each worker knows at the start."""

    planned: Plan
    truth: Truth
    known: tuple[dict[str, float], ...]
    seed: int


def fleets(draws: int) -> Iterator[Fleet]:
    """Equal GPUs, speeds spaced evenly from 1 to 1/4, one fast GPU among slow ones, random ones."""
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
    """A case. `wrong`: true costs differ from the catalog's by up to this factor.

    `history`: the workers know their rates from past attempts.
    """
    rng = random.Random(seed)
    planned = plan.unfold(
        model.build({"backbones": list(backbones.CATALOG), "seeds": seeds, "data": "digits"}),
        "study",
    )
    real = {
        name: entry.relative_cost * wrong ** rng.uniform(-1, 1)
        for name, entry in backbones.CATALOG.items()
    }
    images = planned.target_epochs[-1] * IMAGES_PER_EPOCH
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
    return Case(planned, Truth(fleet.speeds, rates), known, seed)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the makespan, in seconds from submission.

    `stated`: the work divided by the total speed, or the longest chain on the fastest GPU.
    `tight`: also the k longest chains on the k fastest GPUs. A chain runs on one GPU at a time, so
    no scheduler can beat that bound either (Horvath, Lam, Sethi 1977).
    """

    stated: float
    tight: float


def bounds(each: Case, speeds: Sequence[float], costs: Costs) -> Bounds:
    """The bounds of a case. Both include preparing the data, which nothing can overlap."""
    targets, fast = len(each.planned.target_epochs), sorted(speeds, reverse=True)
    fastest = speeds.index(fast[0])
    epochs = [each.truth.epochs_s(fastest, trial.backbone, 1.0) for trial in each.planned.trials]
    chains = sorted(
        (
            (each.planned.target_epochs[-1] + EVALUATION_EPOCHS) * epoch_s
            + (targets + 1) * costs.begin_s
            for epoch_s in epochs
        ),
        reverse=True,
    )
    beside = (targets - 1) * sum(EVALUATION_EPOCHS * epoch_s + costs.begin_s for epoch_s in epochs)
    stated = max((sum(chains) + beside) / sum(fast), chains[0])
    several = rebalance.least_s(chains, fast)
    return Bounds(costs.prepare_s + stated, costs.prepare_s + max(stated, several))


def clairvoyant(each: Case, costs: Costs) -> float:
    """The makespan if all costs are known and no trial moves once it is assigned.

    The longest trial is assigned first, each to the GPU that would finish it first.
    """
    ends = [costs.prepare_s] * len(each.truth.rates)
    targets = each.planned.target_epochs
    epochs = targets[-1] + len(targets) * EVALUATION_EPOCHS
    for trial in sorted(
        each.planned.trials, key=lambda trial: -each.truth.epochs_s(0, trial.backbone, 1.0)
    ):
        took = [
            each.truth.epochs_s(place, trial.backbone, epochs)
            + 2 * len(targets) * costs.begin_s / speed
            for place, speed in enumerate(each.truth.speeds)
        ]
        best = min(range(len(ends)), key=lambda place: ends[place] + took[place])
        ends[best] += took[best]
    return max(ends)
