"""Compare several runs: the best network of each, differences, and ranks over all runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.spec import setting
from orchestrator.analysis.metrics import METRICS, Metric, recorded
from orchestrator.analysis.multi_run import ComparedRun, RunResult, RunsAnalysis
from orchestrator.analysis.ranks import Ranks
from orchestrator.analysis.robustness import Robustness
from orchestrator.report import json_runs, run_cautions, run_values
from orchestrator.report.headline import Headline
from orchestrator.report.page import Page
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import (
    Content,
    Heading,
    Part,
    Section,
    Text,
)
from orchestrator.report.sections import (
    registry,
    robustness,
    run_tables,
    same_network,
    significance,
)

MAX_NAMED = 4


def assemble(
    sides: Sequence[ComparedRun], analysis: RunsAnalysis, sentences: Mapping[str, str]
) -> Page:
    """The page that compares the runs; `sentences` are those of their own reports, by run."""
    ranked = [name for name, _ in analysis.ranks.means] if analysis.ranks else []
    with theme.networks([*analysis.labels, *ranked]):
        return _assembled(sides, analysis, sentences)


def _assembled(
    sides: Sequence[ComparedRun], analysis: RunsAnalysis, sentences: Mapping[str, str]
) -> Page:
    own = tuple(
        Section(f"run-{i}", side.name, sentences[side.name], (_link(side),))
        for i, side in enumerate(sides, 1)
    )
    harder = robustness.together([(side.name, _robustness(side, analysis)) for side in sides])
    differences, same = run_values.differing(sides)
    sections = (
        _results(sides, analysis),
        *_certainty(analysis, sides[0].run_data.metric),
        *([_corruptions(harder)] if harder else []),
        run_values.section(sides, differences, same),
        *own,
    )
    images = {side.run_data.test_images for side in sides}
    sizes = wording.listed([f"{n:,}" for n in sorted(images)])
    headline = Headline(
        sentence(sides, analysis), "", tuple(run_cautions.cautions(sides, analysis)), ()
    )
    return Page(
        " + ".join(side.name for side in sides),
        f"{wording.count(len(sides), 'run')} · {sizes} test images",
        headline,
        sections,
        json_runs.collect(sides, analysis, headline, sentences, differences),
        None,
    )


def _corruptions(harder: Content) -> Section:
    entry = registry.SECTIONS["corruptions"]
    return Section(entry.name, entry.title, harder.lead, harder.parts)


def _robustness(side: ComparedRun, analysis: RunsAnalysis) -> Robustness | None:
    """The robustness of a run's networks, under the labels that mean the same in all runs."""
    own = side.run_data.robustness
    if own is None:
        return None
    networks = tuple(
        replace(one, backbone=analysis.label(side.name, one.backbone)) for one in own.networks
    )
    return replace(own, reference=analysis.label(side.name, own.reference), networks=networks)


def sentence(sides: Sequence[ComparedRun], analysis: RunsAnalysis) -> str:
    """The best network over all runs, or of each run if they cannot be ranked together."""
    leaders = {
        side: side.run_data.leader.ranking[0].backbone
        for side in sides
        if side.run_data.leader and side.run_data.better_than_guessing
    }
    if not any(side.run_data.leader for side in sides):
        return "No network has been tested yet in any of these runs."
    if not leaders:
        return "No network is shown to be better than guessing in any of these runs."
    if analysis.ranks:
        return best_rank(analysis.ranks)
    best = {(side.name, analysis.label(side.name, own)) for side, own in leaders.items()}
    metric = sides[0].run_data.metric
    leaders_first = sorted(
        (one for one in analysis.results if _leads(one, best) and one.standing.lead),
        key=lambda one: one.standing.lead.mean if one.standing.lead else 0.0,
        reverse=metric.higher_is_better,
    )
    told = [_led(one, metric) for one in leaders_first]
    highest = "Highest" if metric.higher_is_better else "Lowest"
    opening = f"{highest} {wording.noun(metric)}: {wording.listed(told)}."
    return f"{opening}{_paired(analysis, best)}{_chance(leaders)}"


def _chance(sides: Collection[ComparedRun]) -> str:
    """In which runs the first place may be chance, and where only one seed tells."""
    unsure = {
        side.name: side.analysis.verdict
        for side in sides
        if side.analysis.verdict and not side.analysis.verdict.leads and len(side.rivals) > 1
    }
    ahead = [
        side.name
        for side in sides
        if (verdict := unsure.get(side.name))
        and not (verdict.alike or verdict.untested or side.run_data.repeated)
    ]
    chance = [name for name in unsure if name not in ahead]
    told = f" In {wording.listed(chance)} the first place may be chance." if chance else ""
    clear = "the first is ahead on the test images, with one seed"
    return f"{told} In {wording.listed(ahead)} {clear}." if ahead else told


def _paired(analysis: RunsAnalysis, best: Collection[tuple[str, str]]) -> str:
    """Whether two leaders that are one network differ significantly; empty where none are."""
    for one in analysis.across:
        ends = {(each.side.name, each.common.label) for each in (one.first, one.second)}
        if ends <= set(best):
            differ = "differ" if one.test.significant else "do not differ"
            told = wording.p_equals(one.test.p_holm)
            return f" On the same test images these {differ} significantly ({told})."
    return ""


def _leads(one: RunResult, best: Collection[tuple[str, str]]) -> bool:
    return any((run, one.common.label) in best for run in one.runs)


def _led(one: RunResult, metric: Metric) -> str:
    """The leader of runs, with its value of the leading metric."""
    lead = one.standing.lead
    value = wording.metric(metric, lead.mean if lead else None)
    return f"{wording.title(one.common.label)} in {wording.listed(one.runs)} ({value})"


def best_rank(ranks: Ranks) -> str:
    """The networks with the best mean rank, and those that they cannot be told from."""
    mean = ranks.means[0][1]
    first = [wording.title(name) for name, each in ranks.means if math.isclose(each, mean)]
    opening = (
        f"{wording.listed(first)} {'share' if len(first) > 1 else 'has'} the best mean rank, "
        f"{mean:.2f} over {ranks.blocks} rankings (Friedman {wording.p_equals(ranks.p)})"
    )
    if ranks.few:
        return f"{opening}; so few rankings cannot show which network is better."
    near = [wording.title(n) for n, m in ranks.means[len(first) :] if m - mean < ranks.critical]
    if near:
        are = "is" if len(near) == 1 else "are"
        return f"{opening}; {wording.listed(near)} {are} too close to call."
    return f"{opening}, ahead of all others."


def records(analysis: RunsAnalysis) -> dict[str, Any]:
    """The comparison as a plain table; the same trainings of several runs are one row."""
    import pyarrow as pa

    rows = [_record(one, analysis) for one in analysis.results if one.standing.accuracy]
    return {"runs": pa.Table.from_pylist(rows)} if rows else {}


def _record(one: RunResult, analysis: RunsAnalysis) -> dict[str, Any]:
    """A row: `run` is the first of the `runs` that hold these trainings."""
    standing, common = one.standing, one.common
    varies = any(each.common.setting for each in analysis.results)
    metrics = {name: standing.metrics.get(name) for name in METRICS}
    accuracy = metrics.pop("accuracy")
    return {
        "run": one.runs[0],
        "runs": " ".join(one.runs),
        "backbone": common.backbone,
        **({"setting": setting.told(common.setting)} if varies else {}),
        "epoch": standing.epoch,
        "accuracy": accuracy.mean if accuracy else None,
        "deviation": accuracy.deviation if accuracy else None,
        "seeds": accuracy.n if accuracy else 0,
        **{name: spread.mean if spread else None for name, spread in metrics.items()},
    }


def _results(sides: Sequence[ComparedRun], analysis: RunsAnalysis) -> Section:
    built: list[Part] = []
    leading = sides[0].run_data.metric
    first = list(dict.fromkeys([leading.name, *(metric.name for metric in recorded())]))
    for metric in (METRICS[name] for name in first):
        built += [Heading(metric.title), run_tables.metric_table(sides, analysis, metric)]
    built += [
        Heading("Training time up to that epoch"),
        run_tables.time_table(sides, analysis),
    ]
    classes = max(len(side.run_data.classes) for side in sides)
    told = [metric for metric in METRICS.values() if metric.tells_of(classes)]
    others = [metric for metric in told if metric.name not in first]
    built += elements.fold(
        "Other metrics",
        *(run_tables.metric_table(sides, analysis, metric) for metric in others),
    )
    epochs = wording.listed([f"epoch {side.analysis.epoch} of {side.name}" for side in sides])
    lead = f"After {epochs}. With several seeds or splits: mean ± deviation over them."
    return Section("results", "Side by side", lead + _held_by_several(analysis), tuple(built))


def _held_by_several(analysis: RunsAnalysis) -> str:
    """Which trainings several runs hold, as a sentence; empty where there are none."""
    several = [one for one in analysis.results if len(one.runs) > 1]
    if not several:
        return ""
    named = [
        f"{wording.title(one.common.label)} ({wording.listed(one.runs)})"
        for one in several[:MAX_NAMED]
    ]
    if len(several) > MAX_NAMED:
        named.append(f"{len(several) - MAX_NAMED} more")
    return f" The same trainings in several runs, which count once: {wording.listed(named)}."


def _certainty(analysis: RunsAnalysis, metric: Metric) -> list[Section]:
    built: list[Part] = []
    if ranks := analysis.ranks:
        drawn = [] if ranks.few else [significance.critical(ranks, "ranking")]
        built += [
            Heading("Ranks over runs and seeds"),
            Text(significance.told(ranks, "rankings") + _conditions(analysis)),
            *elements.figures(drawn),
        ]
    if analysis.across:
        built += same_network.parts(analysis.across, metric)
    title = registry.SECTIONS["certainty"].title
    return [Section("certainty", title, "", tuple(built))] if built else []


def _conditions(analysis: RunsAnalysis) -> str:
    """That a ranking is of one run with its settings, where these differ between runs."""
    keys = {
        key
        for of_run in analysis.settings.values()
        for common in of_run.values()
        for key in common.setting.keys() - common.within.keys()
    }
    told = wording.listed(setting.in_order(keys))
    return f" Each ranking is of one run, with its own {told}." if keys else ""


def _link(side: ComparedRun) -> Text:
    return Text("The full report of this run", f"{side.name}/report.html")
