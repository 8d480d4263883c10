"""The makespan of the study on 1 to 16 simulated GPUs of different speeds, over its lower bounds.

Time is simulated. The plan, the order of the queue and the reassignments are those of real workers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from benchmarks.fleets import Fleet, bounds, case, clairvoyant, fleets
from benchmarks.simulated_study import Costs
from benchmarks.simulation import Simulation
from workers.scheduling import rebalance

RIVALS = ("priority only", "whole trials, clairvoyant", "ours")
VARIANTS = {
    "1 seed, catalog's costs right": (1, 1.0, True),
    "1 seed, catalog wrong by up to 2": (1, 2.0, True),
    "3 seeds, catalog wrong by up to 2": (3, 2.0, True),
    "first run ever, 1 seed, wrong by up to 2": (1, 2.0, False),
}
"""Seeds; the factor by which costs differ from the catalog's; whether past attempts are known."""


def simulate(fleet: Fleet, options: argparse.Namespace, variant: str) -> dict[str, Any]:
    """The makespan of each rival and the lower bounds, on one fleet, in seconds."""
    seeds, wrong, history = VARIANTS[variant]
    costs = Costs(stop_s=max(0.0, options.take_over_s - 1.5))
    each = case(
        fleet, seeds, options.study_minutes * 60, costs, wrong, history, seed=len(fleet.name)
    )
    lower = bounds(each, fleet.speeds, costs)
    ours = Simulation(
        each.planned, each.truth, each.known, costs, rebalance.reassignments, each.seed
    )
    plain = Simulation(
        each.planned, each.truth, each.known, costs, move_nothing, each.seed, keep_trials=False
    )
    times = (plain.run(), clairvoyant(each, costs), ours.run())
    return {
        "variant": variant,
        "fleet": fleet.name,
        "speeds": fleet.speeds,
        "stated_s": lower.stated,
        "tight_s": lower.tight,
        "take_overs": ours.reassigned,
        **dict(zip(RIVALS, times, strict=True)),
    }


def summary(variant: str, results: Sequence[dict[str, Any]]) -> list[Any]:
    """A row: the worst and the mean ratio to the tight bound of each rival.

    The last columns are our ratio to the stated bound, and how often we are within 5%.
    """
    row: list[Any] = [variant]
    for rival, bound in (*((rival, "tight_s") for rival in RIVALS), ("ours", "stated_s")):
        ratios = [each[rival] / each[bound] for each in results]
        row.append(f"{max(ratios):.3f} / {statistics.mean(ratios):.3f}")
    return [
        *row,
        f"{sum(each['ours'] <= 1.05 * each['tight_s'] for each in results)} of {len(results)}",
    ]


def move_nothing(
    peers: Sequence[rebalance.Peer], waiting: Sequence[rebalance.ActiveTraining]
) -> list[rebalance.Reassignment]:
    """The policy that moves nothing."""
    return []


def main() -> int:
    """Simulate every fleet in every variant, print the ratios, and return the exit code."""
    options = _parse_options()
    results: list[dict[str, Any]] = []
    for variant in VARIANTS:
        for fleet in fleets(options.draws):
            common.say(f"{variant}: {fleet.name}")
            results.append(simulate(fleet, options, variant))
    common.say("")
    by_variant = {
        variant: [each for each in results if each["variant"] == variant] for variant in VARIANTS
    }
    return common.publish(
        "Makespan of the study on simulated fleets",
        _tables(by_variant),
        _goals(by_variant),
        results,
        options.json,
        options.check,
    )


def _parse_options() -> argparse.Namespace:
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
    return parser.parse_args()


def _tables(by_variant: dict[str, list[dict[str, Any]]]) -> str:
    """Every fleet of the first variant, and the worst and the mean of each variant."""
    first = next(iter(by_variant))
    rows = [
        [
            each["fleet"],
            each["stated_s"],
            each["tight_s"],
            *(f"{each[rival] / each['tight_s']:.3f}" for rival in RIVALS),
            f"{each['ours'] / each['stated_s']:.3f}",
            each["take_overs"],
        ]
        for each in by_variant[first]
    ]
    head = ("fleet", "stated bound s", "tight bound s", *RIVALS, "ours / stated", "take-overs")
    summaries = [summary(variant, results) for variant, results in by_variant.items()]
    return (
        f"{first}: times / tight bound\n"
        + common.table(head, rows)
        + "\n\nworst / mean over all fleets\n"
        + common.table(("variant", *RIVALS, "ours / stated", "within 5%"), summaries)
    )


def _goals(by_variant: dict[str, list[dict[str, Any]]]) -> list[common.Goal]:
    return [
        common.Goal(
            f"{variant}: {what} of makespan / {bound} bound",
            pick(each["ours"] / each[f"{bound}_s"] for each in results),
            1.05,
            at_most=True,
        )
        for variant, results in by_variant.items()
        for bound in ("tight", "stated")
        for what, pick in (("mean", statistics.mean), ("worst", max))
    ]


if __name__ == "__main__":
    sys.exit(main())
