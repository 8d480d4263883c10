"""Networks with 8-bit numbers in a decision: which fit, and which are worth taking."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.analysis.benchmarks import ONE, Benchmark
from orchestrator.analysis.constraints import Constraints
from orchestrator.analysis.pairwise import PairwiseTest, find_pair
from orchestrator.analysis.spreads import wilson

if TYPE_CHECKING:
    from orchestrator.analysis.decision import Candidate, Decision


def fitting(
    measured: Sequence[Benchmark], backbones: Collection[str], constraints: Constraints
) -> tuple[Benchmark, ...]:
    """Those of these networks that fit with 8-bit numbers, the most accurate first."""
    builds = (
        one
        for one in measured
        if one.runtime == "int8"
        and one.backbone in backbones
        and not constraints.broken_by(one.latency_ms, one.size_bytes)
    )
    return tuple(sorted(builds, key=lambda one: -one.accuracy))


def more_accurate(
    builds: Sequence[Benchmark], choice: str | None, measured: Sequence[Benchmark]
) -> tuple[Benchmark, ...]:
    """Those that are more accurate than the choice by its own runtimes."""
    chosen = [one.accuracy for one in measured if one.backbone == choice]
    return tuple(one for one in builds if one.accuracy > max(chosen, default=1.0))


def with_int8_choice(decision: Decision, paired_tests: Sequence[PairwiseTest]) -> Decision:
    """The decision with the most accurate build that is better than its choice beyond chance.

    The build's lead is that of its network over the choice plus what 8-bit numbers change. It is
    beyond chance where the 95% bounds of both add up to more than the margin, or zero without one.
    """
    if decision.choice is None:
        return decision
    margin = decision.margin or 0.0
    for build in decision.int8:
        test = find_pair(paired_tests, build.backbone, decision.choice)
        if test is not None and test.first_wins:
            lead = (test.seed_interval or test.interval).low
            if lead + build.interval.low > margin:
                return replace(decision, int8_choice=_candidate(decision, build))
    return decision


def _candidate(decision: Decision, build: Benchmark) -> Candidate:
    """The network of a build, with the build's accuracy and price."""
    network, single = decision.candidate(build.backbone), build.at(ONE)
    assert network is not None
    return replace(
        network,
        value=build.accuracy,
        interval=wilson(build.accuracy * build.images, build.images),
        runtime=build.runtime,
        latency_ms=build.latency_ms,
        p50_ms=single.p50_ms if single else None,
        size_bytes=build.size_bytes,
        fails=(),
        unknown=(),
    )
