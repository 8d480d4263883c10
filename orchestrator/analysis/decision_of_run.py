"""The decision among the networks of a run, from what was computed of it."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis import int8_builds
from orchestrator.analysis.constraints import Constraints
from orchestrator.analysis.cost import Cost
from orchestrator.analysis.decision import Decision, Tests, decide
from orchestrator.analysis.licences import licence
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.run_data import RunData


def of_run(
    run_data: RunData,
    margin: float | None,
    constraints: Constraints,
    costs: Sequence[Cost],
    paired_tests: Sequence[PairwiseTest],
    noninferior: Tests,
) -> Decision | None:
    """The decision of a run; None without a leader."""
    if run_data.leader is None:
        return None
    made = decide(
        constraints,
        margin,
        run_data.leader.ranking,
        costs,
        run_data.benchmarks,
        _licences(run_data),
        paired_tests,
        noninferior,
        run_data.better_than_guessing,
    )
    by_accuracy = run_data.metric.name == "accuracy"  # what benchmarks count
    return int8_builds.with_int8_choice(made, paired_tests) if by_accuracy else made


def _licences(run_data: RunData) -> dict[str, str]:
    """The licence of each network's initial weights."""
    benchmarked = {one.backbone: one.weights_licence for one in run_data.benchmarks}
    recorded = {
        run_data.label(name): result.weights_licence
        for name, result in run_data.training.items()
        if result.weights_licence
    }
    return {
        (label := run_data.label(name)): licence(
            trial, recorded.get(label) or benchmarked.get(label)
        )
        for name, trial in run_data.trials.items()
    }
