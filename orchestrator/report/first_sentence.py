"""The first sentence of a report: the best network or those too close to call, and the cost.

Under limits `decision_words` has it; `headline` chooses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from orchestrator.analysis import racing
from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.cost import Cost
from orchestrator.analysis.leader import Leader, LeaderVerdict
from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.resampled import RESAMPLED
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import Standing
from orchestrator.report import cautions, guessing
from orchestrator.report.rendering import wording

MAX_NAMED = 4
FASTER = 1.1
"""A network that trained at least so many times faster is said to have."""


def sentence(run_data: RunData, analysis: Analysis) -> str:
    """The best backbone, or those too close to call.

    Says "leads" only if one beats all others over seeds and images, never with one seed.
    """
    lead = run_data.leader
    if lead is None:
        return _untold(run_data)
    after = _after(run_data, lead)
    if run_data.learning.nothing(lead.ranking[0].backbone, lead.period):
        return _nothing_learned(run_data, lead, after)
    if not run_data.better_than_guessing:
        return f"{guessing.sentence(run_data, lead, after)}{_constant(run_data, lead)}"
    told = _best(run_data, analysis, lead)
    return f"{after[0].upper()}{after[1:]}, {told}.{_constant(run_data, lead)}"


def cost(run_data: RunData, analysis: Analysis) -> str:
    """Cost of the best network, and the cheapest one too close to call; empty if none."""
    lead = run_data.leader
    if lead is None or analysis.verdict is None:
        return ""
    if not run_data.better_than_guessing:
        return ""
    costs = {cost.backbone: cost for cost in analysis.costs}
    best = costs[lead.ranking[0].backbone]
    told = f"{wording.title(best.backbone)} took {_time(_seconds(best))} to train"
    if run_data.repeated:
        told += " each time" if run_data.splits else " a seed"
    if best.feature_seconds:
        told += f" ({wording.duration(best.feature_seconds)} of it for features)"
    if best.parameters and best.run_gmacs:
        told += (
            f" and has {wording.size(best.parameters)} parameters ({best.run_gmacs:.2f} billion "
            f"multiply-adds an image)"
        )
    own = _seconds(best)
    fit = [name for name in analysis.verdict.alike if name in run_data.better_than_guessing]
    alike = [(_seconds(costs[name]), name) for name in fit]
    quicker = [
        (seconds, name)
        for seconds, name in alike
        if seconds is not None and own is not None and seconds < own
    ]
    if not quicker:
        return f"{told}."
    seconds, name = min(quicker)
    return f"{told}; {wording.title(name)}, too close to call, took {_time(seconds)}."


def _untold(run_data: RunData) -> str:
    """Nothing is tested, or the predictions do not tell the metric that leads."""
    if any(standing.tests for standing in run_data.comparison.standings):
        noun = wording.noun(run_data.metric)
        return f"The published predictions do not tell the {noun}, so no network leads."
    return "No network has been tested yet: there are learning curves, and no leader."


def noninferior(run_data: RunData, analysis: Analysis) -> str:
    """The networks that are shown to be at most the margin worse; empty where nobody asked."""
    lead, metric = run_data.leader, run_data.metric
    if lead is None or analysis.margin is None or len(lead.ranking) < 2:
        return ""
    if not run_data.better_than_guessing:
        return ""
    best = wording.title(lead.ranking[0].backbone)
    margin = wording.margin(metric, analysis.margin)
    shown = [one for one in analysis.noninferior if one.shown]
    if not shown:
        needed = "results on two splits" if run_data.splits else "the predictions needed"
        why = "" if analysis.noninferior else f": {needed} are not published"
        return f"No network is shown to be at most {margin} worse than {best}{why}."
    costs = {cost.backbone: _seconds(cost) for cost in analysis.costs}
    shown.sort(key=lambda one: costs.get(one.backbone) or math.inf)
    told = [
        f"{wording.title(one.backbone)} is at most {margin} worse than {best} "
        f"({wording.p_equals(one.p_holm)}){_quicker(costs, one.backbone, one.reference)}"
        for one in shown[:MAX_NAMED]
    ]
    more = len(shown) - len(told)
    others = f"; so are {more} more" if more else ""
    return f"{'; '.join(told)}{others}."


def _quicker(costs: Mapping[str, float | None], name: str, reference: str) -> str:
    """` and trains 9 times faster`; empty where it does not, or times are unknown."""
    own, others = costs.get(name), costs.get(reference)
    if not own or not others or others < FASTER * own:
        return ""
    return f" and trains {_times(others / own)} times faster"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 3 else f"{ratio:.1f}"


def _best(run_data: RunData, analysis: Analysis, lead: Leader) -> str:
    """The best network with its margin, or the networks too close to call."""
    first, verdict = lead.ranking[0], analysis.verdict
    name, right = wording.title(first.backbone), _right(first, run_data.test_images)
    if len(lead.ranking) == 1:
        left_out = len(lead.ranking) < len(_tested(run_data, lead))
        why = "no other network has learned anything" if left_out else ""
        why = why or ("the others stopped before" if racing.unranked(run_data) else "")
        return f"{name} has {right}; {why or 'no other network has been tested'}"
    if verdict is None or verdict.paired_test is None:
        return _untested(lead, name, right)
    if verdict.alike:
        return _too_close(run_data, analysis, lead, verdict)
    test, second = verdict.paired_test, lead.ranking[1]
    metric = run_data.metric
    margin = wording.gap(metric, test.difference)
    rival = f"{wording.title(second.backbone)} ({_share(second)}; {_interval(test, metric)})"
    if verdict.leads:
        return f"{name} leads with {right}, {margin} ahead of {rival}"
    more = wording.more(metric)
    return f"{name} is ahead on these images with {right}, {margin} {more} than {rival}"


def _untested(lead: Leader, name: str, right: str) -> str:
    metric = lead.ranking[0].metric
    if lead.shared_by > 1 or lead.margin is None:
        names = [wording.title(s.backbone) for s in lead.ranking[: lead.shared_by]]
        noun = "accuracy" if metric.name == "accuracy" else wording.noun(metric)
        return f"{wording.listed(names)} have the same {noun}: {right} each"
    second = wording.title(lead.ranking[1].backbone)
    margin, more = wording.gap(metric, lead.margin), wording.more(metric)
    return f"{name} has {right}, {margin} {more} than {second}; significance was not tested"


def _too_close(run_data: RunData, analysis: Analysis, lead: Leader, verdict: LeaderVerdict) -> str:
    """The networks that the first does not beat, with the fastest of them."""
    close = [lead.ranking[0], *(s for s in lead.ranking[1:] if s.backbone in verdict.alike)]
    named = [f"{wording.title(s.backbone)} ({_share(s)})" for s in close[:MAX_NAMED]]
    more = len(close) - len(named)
    names = wording.listed([*named, f"{more} more"] if more else named)
    images = wording.count(run_data.test_images, "test image")
    seeds = lead.ranking[0].lead.n if lead.ranking[0].lead else 1
    over = wording.repeats(lead.ranking[0])
    images += "" if run_data.metric.name == "accuracy" else f" by {wording.noun(run_data.metric)}"
    spread = f" (mean ± deviation over {over})" if seeds > 1 else ""
    told = f"{names} are too close to call on {images}{spread}"
    comparable = len(cautions.devices(run_data)) < 2 and all(
        standing.backbone in run_data.better_than_guessing for standing in close
    )
    faster = _faster(analysis, close) if comparable else ""
    return f"{told}; {faster}" if faster else told


def _faster(analysis: Analysis, close: Sequence[Standing]) -> str:
    """`Scratch trained 9 times faster`; empty where times are alike or unknown."""
    names = {standing.backbone for standing in close}
    known = sorted(
        (seconds, cost.backbone)
        for cost in analysis.costs
        if cost.backbone in names and (seconds := _seconds(cost))
    )
    if len(known) < len(names) or known[-1][0] < FASTER * known[0][0]:
        return ""
    times = _times(known[-1][0] / known[0][0])
    than = f" than {wording.title(known[-1][1])}" if len(names) > 2 else ""
    return f"{wording.title(known[0][1])} trained {times} times faster{than}"


def _nothing_learned(run_data: RunData, lead: Leader, after: str) -> str:
    """No network learned anything, and what a constant prediction reaches."""
    chance = wording.percent(run_data.learning.baselines.chance)
    best = wording.title(lead.ranking[0].backbone)
    one = len(lead.ranking) == 1
    told = f"chance is {chance}" if run_data.metric.name == "accuracy" else ""
    told = told or f"the accuracy of chance is {chance}"
    return (
        f"No network has learned anything {after}: {'it predicts' if one else 'each predicts'} "
        f"without regard to the image. The {_highest(run_data)} is {_share(lead.ranking[0])} "
        f"({best}); {told}.{_constant(run_data, lead)}"
    )


def _constant(run_data: RunData, lead: Leader) -> str:
    """A constant prediction that reaches the best accuracy; empty where none does."""
    known, best = run_data.learning.baselines, lead.ranking[0].accuracy
    if run_data.metric.name != "accuracy" or best is None:
        return ""
    if known.majority_share is None or known.majority_share < best.mean:
        return ""
    return (
        f" Always predicting {wording.plain(known.majority)} would get "
        f"{wording.percent(known.majority_share)} correct."
    )


def _tested(run_data: RunData, lead: Leader) -> list[Standing]:
    return [s for s in run_data.comparison.at(lead.period) if s.tests]


def _after(run_data: RunData, lead: Leader) -> str:
    periods = run_data.run.spec.periods
    if periods == 1:
        return f"after epoch {lead.epoch}"
    if lead.period == periods:
        return f"after the last period (epoch {lead.epoch})"
    asked = lead.period == run_data.periods[-1]
    return (
        f"{'' if asked else 'so far, '}after period {lead.period} of {periods} (epoch {lead.epoch})"
    )


def _highest(run_data: RunData) -> str:
    """`highest accuracy`, `lowest test loss`."""
    metric = run_data.metric
    noun = "accuracy" if metric.name == "accuracy" else wording.noun(metric)
    return f"{'highest' if metric.higher_is_better else 'lowest'} {noun}"


def _right(standing: Standing, images: int) -> str:
    if standing.metric.name != "accuracy":
        return _measured(standing, images)
    if len(standing.tests) == 1:
        test = standing.tests[0]
        return (
            f"{wording.percent(test.accuracy)} of {wording.count(test.total, 'test image')} "
            f"correct ({test.correct:,})"
        )
    assert standing.accuracy is not None
    return (
        f"{wording.points(standing.accuracy)} of {wording.count(images, 'test image')} correct "
        f"(mean ± deviation over {wording.repeats(standing)})"
    )


def _measured(standing: Standing, images: int) -> str:
    """`a macro F1 of 97.2% on 360 test images`."""
    assert standing.lead is not None
    seeds = standing.lead.n
    several = f" (mean ± deviation over {wording.repeats(standing)})" if seeds > 1 else ""
    value = wording.metrics(standing.metric, standing.lead)
    return (
        f"a {wording.noun(standing.metric)} of {value} on {wording.count(images, 'test image')}"
        f"{several}"
    )


def _share(standing: Standing) -> str:
    return wording.metrics(standing.metric, standing.lead) if standing.lead else "–"


def _interval(test: PairwiseTest, metric: Metric) -> str:
    """The interval that decides: over splits, seeds and images, or images with one seed."""
    if test.seed_interval is None:
        return f"95% interval over images {wording.leads_by(metric, test.interval)}"
    if test.method == RESAMPLED:
        return f"95% interval over splits {wording.leads_by(metric, test.seed_interval)}"
    return f"95% interval over seeds and images {wording.leads_by(metric, test.seed_interval)}"


def _seconds(cost: Cost) -> float | None:
    return cost.seconds.mean if cost.seconds else None


def _time(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else wording.duration(seconds)
