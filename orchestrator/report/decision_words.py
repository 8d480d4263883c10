"""The decision in words: which network to take, how sure that is, and what is unknown."""

from __future__ import annotations

from jobs import settings
from jobs.spec.setting import network_of, told_of
from orchestrator import formatting
from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.benchmarks import DISTURBED, Benchmark
from orchestrator.analysis.constraints import Constraints
from orchestrator.analysis.decision import Candidate, Decision
from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.resampled import RESAMPLED
from orchestrator.analysis.run_data import RunData
from orchestrator.report import guessing
from orchestrator.report.rendering import wording

BY = {"torch": "torch", "onnx": "ONNX Runtime", "int8": "ONNX Runtime"}


def answer(run_data: RunData, analysis: Analysis) -> str:
    """The answer under constraints; empty where there are none."""
    decision, metric = analysis.decision, run_data.metric
    if decision is None or not decision.constraints:
        return ""
    limits = told_limits(decision.constraints)
    if decision.taken is not None:
        return f"Within {limits}, take {_offer(metric, decision.taken)}."
    if not decision.worth_taking:
        return (
            f"Within {limits} or beyond, no network is shown to be better than guessing, so none "
            f"is recommended. {guessing.REMEDY}"
        )
    if decision.unknown:
        names = _named(decision.unknown)
        return f"No network is known to keep within {limits}: {names} {_is(decision.unknown)}."
    if decision.int8:
        return f"No network keeps within {limits} in float32; {_build(decision.int8[0])}."
    closest = decision.candidate(decision.closest)
    if closest is None:
        return f"No network keeps within {limits}."
    return (
        f"No network keeps within {limits}; {wording.title(closest.backbone)} is closest with "
        f"{latency(closest)} and {size(closest)}."
    )


def sureness(run_data: RunData, analysis: Analysis) -> list[str]:
    """How sure the answer is, what it costs, what fails, and what is unknown; a sentence each."""
    decision = analysis.decision
    if decision is None or not decision.constraints:
        return []
    return [
        *_taken_in_int8(run_data, decision),
        *_among_fitting(run_data.metric, decision),
        *_against_all(run_data.metric, decision),
        *_guessing(decision),
        *_int8(decision),
        *_failing(decision),
        *_disturbed(decision),
        *_unknown(run_data, decision),
    ]


def told_limits(constraints: Constraints) -> str:
    """`20 ms and 10 MB`."""
    told = []
    if constraints.max_latency_ms is not None:
        told.append(milliseconds(constraints.max_latency_ms))
    if constraints.max_size_bytes is not None:
        told.append(megabytes(constraints.max_size_bytes))
    return " and ".join(told)


def milliseconds(value: float | None) -> str:
    """`1.23 ms`, `124 ms`, `2,400 ms`; a dash for none."""
    if value is None:
        return "–"
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"


def megabytes(size_bytes: int | None) -> str:
    """Bytes in powers of ten: `4.9 MB`, `10 MB`, `812 kB`; a dash for none."""
    return "–" if size_bytes is None else formatting.megabytes(size_bytes).replace(".0 ", " ")


def latency(one: Candidate) -> str:
    """`12.3 ms by ONNX Runtime`."""
    if one.latency_ms is None:
        return "latency unknown"
    return f"{milliseconds(one.latency_ms)} by {BY.get(one.runtime or '', one.runtime)}"


def size(one: Candidate) -> str:
    """`4.9 MB`."""
    return "size unknown" if one.size_bytes is None else megabytes(one.size_bytes)


def bench_command(run_data: RunData) -> str:
    """The command that measures what is unknown."""
    return settings.command_line(run_data.root, "bench", run_data.run.name)


def export_command(run_data: RunData, build: Benchmark) -> str:
    """The command that writes the file of a network with 8-bit numbers, as it was benchmarked."""
    run, setting = run_data.run, told_of(build.backbone)
    words = ["--backbone", network_of(build.backbone), "--format", "int8"]
    if run.spec.seeds > 1:
        words += ["--seed", str(build.seed)]
    for part in setting.split(", ") if setting else ():
        words += ["--setting", part.replace(" ", "=", 1)]
    return settings.command_line(run_data.root, "export", "model", run.name, *words)


def name_of(one: Candidate) -> str:
    """The network, and whether it is taken with 8-bit numbers."""
    return wording.title(one.backbone) + (" with 8-bit numbers" if one.runtime == "int8" else "")


def _offer(metric: Metric, one: Candidate) -> str:
    """`SqueezeNet: 84.0% accuracy (80–87%), 5 ms by ONNX Runtime, 4.9 MB`."""
    return f"{name_of(one)}: {_value(metric, one)}, {latency(one)}, {size(one)}"


def _build(one: Benchmark) -> str:
    """What a network is with 8-bit numbers."""
    return (
        f"with 8-bit numbers {wording.title(one.backbone)} does: {wording.percent(one.accuracy)} "
        f"accuracy, {milliseconds(one.latency_ms)}, {megabytes(one.size_bytes)}"
    )


def _value(metric: Metric, one: Candidate) -> str:
    reach = f" ({wording.range_of(metric, one.interval)})" if one.interval else ""
    return f"{wording.metric(metric, one.value)} {wording.noun(metric)}{reach}"


def _among_fitting(metric: Metric, decision: Decision) -> list[str]:
    """How the choice stands among those that fit."""
    if decision.choice is None:
        return []
    best, choice = wording.title(decision.best or ""), wording.title(decision.choice)
    told = []
    if decision.choice != decision.best:
        told.append(_within_margin(metric, decision, choice, best))
    elif decision.rival is None:
        told.append(f"It is the only one known to fit{' in float32' if decision.int8 else ''}.")
    else:
        told.append(_next(metric, decision.test, wording.title(decision.rival)))
    if decision.margin is not None and decision.choice == decision.best and decision.rival:
        shown = [wording.title(one.backbone) for one in decision.noninferior if one.shown]
        margin = wording.margin(metric, decision.margin)
        told.append(
            f"{wording.listed(shown)} {'is' if len(shown) == 1 else 'are'} shown to be at most "
            f"{margin} worse, and not faster."
            if shown
            else f"No other that fits is shown to be at most {margin} worse."
        )
    return told


def _within_margin(metric: Metric, decision: Decision, choice: str, best: str) -> str:
    test = next(one for one in decision.noninferior if one.backbone == decision.choice)
    margin = wording.margin(metric, test.margin)
    own, others = decision.candidate(decision.choice), decision.candidate(decision.best)
    faster = ""
    if own and others and own.latency_ms and others.latency_ms:
        times = others.latency_ms / own.latency_ms
        faster = f", and answers {times:.1f} times faster"
    return (
        f"{choice} is at most {margin} worse than {best}, the best that fits "
        f"({wording.p_equals(test.p_holm)}){faster}."
    )


def _next(metric: Metric, test: PairwiseTest | None, rival: str) -> str:
    if test is None:
        return f"{rival}, the next that fits, was not compared: too little is published."
    told = f"{wording.gap(metric, test.difference)} {wording.more(metric)} than {rival}, the next"
    if test.first_wins:
        return f"It has {told} that fits ({_interval(metric, test)})."
    return f"It has {told} that fits, which is too close to call ({_interval(metric, test)})."


def _against_all(metric: Metric, decision: Decision) -> list[str]:
    """What the constraints cost against the best of all."""
    test = decision.against_all
    if test is None:
        return []
    first, best = wording.title(test.first), wording.title(test.second)
    fails = decision.candidate(test.first)
    why = "" if fails is None else f", which {_unfit(fails, decision.constraints)}"
    sure = "" if test.first_wins else ", too close to call"
    return [
        f"The best of all, {first}{why}, has {wording.gap(metric, test.difference)} "
        f"{wording.more(metric)} than {best}{sure} ({_interval(metric, test)})."
    ]


def _interval(metric: Metric, test: PairwiseTest) -> str:
    over = test.seed_interval or test.interval
    where = "seeds and images" if test.seed_interval else "images"
    if test.method == RESAMPLED:
        where = "splits"
    return f"95% interval over {where} {wording.leads_by(metric, over)}"


def _unfit(one: Candidate, limits: Constraints) -> str:
    """What keeps a network from being taken."""
    return f"does not fit ({_why(one, limits)})" if one.fails else "is not measured"


def _why(one: Candidate, limits: Constraints) -> str:
    """Which limits a network breaks, or what is unknown of it."""
    told = []
    if "latency" in one.fails:
        told.append(milliseconds(one.latency_ms))
    if "size" in one.fails:
        told.append(megabytes(one.size_bytes))
    return " and ".join(told) or "not measured"


def _guessing(decision: Decision) -> list[str]:
    """The networks that fit, and are not shown to be better than guessing."""
    names = [one.backbone for one in decision.candidates if one.fits]
    names = [name for name in names if name not in {one.backbone for one in decision.worth_taking}]
    if not names or not decision.worth_taking:
        return []
    return [
        f"Not recommended, although {'it fits' if len(names) == 1 else 'they fit'}: "
        f"{_named(names)}, not shown to be better than guessing."
    ]


def _int8(decision: Decision) -> list[str]:
    """What 8-bit numbers change in networks that fit with them only, and why none is taken."""
    left = ""
    if decision.choice is not None and decision.int8_choice is None:
        left = f"; not taken: its lead over {wording.title(decision.choice)} is small or unsure"
    return [
        f"With 8-bit numbers {wording.title(one.backbone)} fits: its accuracy is then "
        f"{wording.percent(one.accuracy)} instead of {wording.percent(one.float32_accuracy)} "
        f"({wording.p_equals(one.p)}){left}."
        for one in decision.int8[: wording.FEW]
    ]


def _taken_in_int8(run_data: RunData, decision: Decision) -> list[str]:
    """How its file is written where one with 8-bit numbers is taken, and the best in float32."""
    exact, taken = decision.candidate(decision.choice), decision.int8_choice
    builds = [one for one in decision.int8 if taken is None or one.backbone == taken.backbone]
    if not builds or (exact is not None and taken is None):
        return []
    told = [f"The file with 8-bit numbers is written by: {export_command(run_data, builds[0])}"]
    if exact is not None:
        told.append(f"In float32 the network to take is {_offer(run_data.metric, exact)}.")
    return told


def _failing(decision: Decision) -> list[str]:
    failing = [each for each in decision.candidates if each.fails]
    if not failing:
        return []
    told = [
        f"{wording.title(each.backbone)} ({_why(each, decision.constraints)})" for each in failing
    ]
    return [f"Too slow or too large: {wording.few(told)}."]


def _disturbed(decision: Decision) -> list[str]:
    """Whether other processes made the measured latencies higher."""
    where = decision.machine
    if where is None or where.others_load < DISTURBED:
        return []
    return [
        f"Other processes used up to {where.others_load:.1f} processors while networks were "
        "measured, so latencies are too high: alone, more networks may fit."
    ]


def _unknown(run_data: RunData, decision: Decision) -> list[str]:
    names = [each.backbone for each in decision.candidates if each.latency_ms is None]
    if not names:
        return []
    who = "No network" if len(names) == len(decision.candidates) else _named(names)
    has = "is" if who == "No network" or len(names) == 1 else "are"
    without = "" if who == "No network" else " not"
    return [
        f"{who} {has}{without} benchmarked, so latency and size are unknown. Measure with: "
        f"{bench_command(run_data)}"
    ]


def _is(names: tuple[str, ...]) -> str:
    return "is not benchmarked" if len(names) == 1 else "are not benchmarked"


def _named(names: tuple[str, ...] | list[str]) -> str:
    return wording.few([wording.title(name) for name in names])
