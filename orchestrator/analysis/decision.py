"""Which network to take under constraints, and how sure that is.

A network fits where torch or ONNX Runtime answers one image within the latency, in 95 of 100 runs,
from a file within the size. The best that fits is taken; with a margin, the fastest of those shown
to be at most the margin worse than that one. What was not measured is unknown, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from jobs.statistics.interval import Interval
from orchestrator.analysis import int8_builds
from orchestrator.analysis.benchmarks import ONE, Benchmark
from orchestrator.analysis.constraints import Constraints, Limit
from orchestrator.analysis.cost import Cost
from orchestrator.analysis.noninferiority import NonInferiority
from orchestrator.analysis.pairwise import PairwiseTest, find_pair
from orchestrator.analysis.standings import Standing

Tests = Callable[[str, Sequence[str]], tuple[NonInferiority, ...]]
"""Non-inferiority of these networks against a reference; empty without a margin."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network with its price. `value` is the leading metric, with its 95% interval over images.

    `latency_ms`, `p50_ms` and `size_bytes` are those of `runtime`; None where it was not measured.
    `fails` are the limits that it breaks, `unknown` those that were not measured. One that is not
    shown to be `better_than_guessing` is never taken.
    """

    backbone: str
    value: float
    interval: Interval | None
    seconds: float | None
    energy_kwh: float | None
    energy_share: float | None
    parameters: int | None
    licence: str
    runtime: str | None = None
    latency_ms: float | None = None
    p50_ms: float | None = None
    size_bytes: int | None = None
    fails: tuple[Limit, ...] = ()
    unknown: tuple[Limit, ...] = ()
    better_than_guessing: bool = True

    @property
    def fits(self) -> bool:
        """Whether it is known to keep every limit."""
        return not (self.fails or self.unknown)


@dataclass(frozen=True, slots=True)
class Machine:
    """What latencies were measured on; `others_load`: processors that others used, at most."""

    host: str
    threads: int
    device: str
    processor: str
    others_load: float

    @property
    def computes(self) -> str:
        """What computed: the GPU, or the processor's name."""
        return self.processor if self.device == "cpu" else self.device


@dataclass(frozen=True, slots=True)
class Decision:
    """The network to take (`choice`; None where none is known to fit), and how sure that is.

    `candidates` are in the order of the leading metric, the best first, those that learned nothing
    left out. `best` is the best that fits. `rival` is the next that fits, `test` compares `best`
    with it, and `against_all` the best of all with `best`. `noninferior` are tests against `best`.
    `closest` comes nearest to the limits where none fits. `int8` are networks that fit with 8-bit
    numbers only, and `int8_choice` that of them which is taken rather than `choice`.
    """

    constraints: Constraints
    margin: float | None
    candidates: tuple[Candidate, ...]
    machine: Machine | None
    choice: str | None = None
    best: str | None = None
    rival: str | None = None
    test: PairwiseTest | None = None
    against_all: PairwiseTest | None = None
    noninferior: tuple[NonInferiority, ...] = ()
    closest: str | None = None
    int8: tuple[Benchmark, ...] = ()
    int8_choice: Candidate | None = None

    def candidate(self, backbone: str | None) -> Candidate | None:
        """The candidate of this name."""
        return next((each for each in self.candidates if each.backbone == backbone), None)

    @property
    def taken(self) -> Candidate | None:
        """The network to take, by the runtime that it is to be taken by."""
        return self.int8_choice or self.candidate(self.choice)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The networks of which some limit was not measured, and none is known to be broken."""
        return tuple(each.backbone for each in self.worth_taking if each.unknown and not each.fails)

    @property
    def worth_taking(self) -> tuple[Candidate, ...]:
        """The candidates that are shown to be better than guessing."""
        return tuple(each for each in self.candidates if each.better_than_guessing)


def decide(
    constraints: Constraints,
    margin: float | None,
    ranking: Sequence[Standing],
    costs: Sequence[Cost],
    benchmarks: Sequence[Benchmark],
    licences: Mapping[str, str],
    paired_tests: Sequence[PairwiseTest],
    noninferior: Tests,
    better_than_guessing: Collection[str] | None = None,
) -> Decision:
    """The decision among the networks of a ranking, the best first.

    None that is not among those `better_than_guessing` is taken; without these, each may be.
    """
    names = [standing.backbone for standing in ranking]
    measured = _on_one_machine(benchmarks, names)
    by_name = {cost.backbone: cost for cost in costs}
    candidates = tuple(
        _candidate(
            each,
            by_name[each.backbone],
            [one for one in measured if one.backbone == each.backbone],
            licences[each.backbone],
            constraints,
            better_than_guessing is None or each.backbone in better_than_guessing,
        )
        for each in ranking
        if each.lead is not None
    )
    open_ = Decision(constraints, margin, candidates, _machine(measured))
    fitting = [each for each in open_.worth_taking if each.fits]
    if not fitting:
        return _none_fits(open_, measured)
    made = _among(open_, fitting, paired_tests, noninferior)
    builds = int8_builds.fitting(measured, _names_beyond(open_, fitting), constraints)
    return replace(made, int8=int8_builds.more_accurate(builds, made.choice, measured))


def _among(
    decision: Decision,
    fitting: Sequence[Candidate],
    paired_tests: Sequence[PairwiseTest],
    noninferior: Tests,
) -> Decision:
    """The decision among the candidates that fit."""
    names = [each.backbone for each in fitting]
    best, first = names[0], decision.candidates[0].backbone
    tests = noninferior(best, names) if decision.margin is not None else ()
    good = [best, *(one.backbone for one in tests if one.shown)]
    rival = names[1] if len(names) > 1 else None
    return replace(
        decision,
        choice=_cheapest([each for each in fitting if each.backbone in good]),
        best=best,
        rival=rival,
        test=find_pair(paired_tests, best, rival) if rival else None,
        against_all=find_pair(paired_tests, first, best) if first != best else None,
        noninferior=tests,
    )


def _none_fits(decision: Decision, measured: Sequence[Benchmark]) -> Decision:
    """No network is known to fit: which is closest, and which fit with 8-bit numbers."""
    known = [each for each in decision.worth_taking if each.latency_ms is not None]
    return replace(
        decision,
        closest=min(known, key=lambda each: _excess(each, decision.constraints)).backbone
        if known
        else None,
        int8=int8_builds.fitting(measured, _names_beyond(decision, ()), decision.constraints),
    )


def _names_beyond(decision: Decision, fitting: Sequence[Candidate]) -> set[str]:
    """The networks worth taking that are not among those that fit."""
    return {each.backbone for each in decision.worth_taking} - {each.backbone for each in fitting}


def _candidate(
    standing: Standing,
    cost: Cost,
    measured: Sequence[Benchmark],
    licence: str,
    constraints: Constraints,
    better_than_guessing: bool,
) -> Candidate:
    assert standing.lead is not None
    exact = [one for one in measured if one.runtime != "int8" and one.latency_ms is not None]
    kept = [one for one in exact if not constraints.broken_by(one.latency_ms, one.size_bytes)]
    one = min(kept or exact, key=lambda each: each.latency_ms or 0.0, default=None)
    single = one.at(ONE) if one else None
    latency, size = (one.latency_ms, one.size_bytes) if one else (None, None)
    return Candidate(
        standing.backbone,
        standing.lead.mean,
        standing.lead_interval,
        cost.seconds.mean if cost.seconds else None,
        cost.energy_kwh,
        cost.energy_share,
        cost.parameters,
        licence,
        one.runtime if one else None,
        latency,
        single.p50_ms if single else None,
        size,
        constraints.broken_by(latency, size),
        constraints.unmeasured(latency, size),
        better_than_guessing,
    )


def _excess(each: Candidate, limits: Constraints) -> float:
    """The worst ratio of what a candidate needs to what is allowed."""
    ratios = [0.0]
    if limits.max_latency_ms is not None and each.latency_ms is not None:
        ratios.append(each.latency_ms / limits.max_latency_ms)
    if limits.max_size_bytes is not None and each.size_bytes is not None:
        ratios.append(each.size_bytes / limits.max_size_bytes)
    return max(ratios)


def _cheapest(good: Sequence[Candidate]) -> str:
    """The fastest where all were measured, else that with the shortest training, else the first."""
    if all(each.latency_ms is not None for each in good):
        return min(good, key=lambda each: each.latency_ms or 0.0).backbone
    if all(each.seconds for each in good):
        return min(good, key=lambda each: each.seconds or 0.0).backbone
    return good[0].backbone


def _on_one_machine(benchmarks: Sequence[Benchmark], names: Sequence[str]) -> list[Benchmark]:
    """The benchmarks of the host, device and threads that have measured most of these networks.

    Of several such a GPU's, then those with the fewest threads.
    """
    groups: dict[tuple[str, int, str], list[Benchmark]] = {}
    for one in benchmarks:
        groups.setdefault(one.where, []).append(one)

    def measured(where: tuple[str, int, str]) -> tuple[int, bool, int, str, str]:
        host, threads, device = where
        networks = {one.backbone for one in groups[where]} & {*names}
        return -len(networks), device == "cpu", threads, host, device

    return groups[min(groups, key=measured)] if groups else []


def _machine(measured: Sequence[Benchmark]) -> Machine | None:
    if not measured:
        return None
    one = measured[0]
    load = max(each.others_load for one in measured for each in one.latencies)
    return Machine(one.host, one.threads, one.device, one.processor, load)
