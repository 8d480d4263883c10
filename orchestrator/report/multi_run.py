"""Compare several runs: the best network of each, differences, and ranks over all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.analysis.metrics import METRICS, Metric, recorded
from orchestrator.analysis.multi_run import ComparedRun, RunsAnalysis, analyse_runs
from orchestrator.analysis.ranks import Ranks
from orchestrator.report import cautions, json_facts
from orchestrator.report.headline import Headline
from orchestrator.report.json_keys import SCHEMA
from orchestrator.report.page import Page
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import (
    Content,
    Heading,
    Part,
    Section,
    Table,
    Text,
)
from orchestrator.report.sections import (
    registry,
    robustness,
    run_tables,
    same_network,
    significance,
    tables,
)

UNTOLD = {"name", "command", "user"}


def assemble(sides: Sequence[ComparedRun], sentences: Mapping[str, str]) -> Page:
    """The page that compares the runs; `sentences` are those of their own reports, by run."""
    analysis = analyse_runs(sides)
    own = tuple(
        Section(f"run-{i}", side.name, sentences[side.name], (_link(side),))
        for i, side in enumerate(sides, 1)
    )
    harder = robustness.together([(side.name, side.run_data.robustness) for side in sides])
    differing = [dict(_facts_of(side)) for side in sides]
    sections = (
        _results(sides),
        *_certainty(analysis, sides[0].run_data.metric),
        *([_corruptions(harder)] if harder else []),
        _differences(sides, differing),
        *own,
    )
    images = {s.analysis.paired_tests[0].images for s in sides if s.analysis.paired_tests}
    sizes = wording.listed([f"{n:,}" for n in sorted(images)]) if images else "no"
    headline = Headline(sentence(sides, analysis.ranks), "", tuple(_cautions(sides)), ())
    return Page(
        " + ".join(side.name for side in sides),
        f"{wording.count(len(sides), 'run')} · {sizes} test images",
        headline,
        sections,
        _facts(sides, analysis, headline, sentences) | {"differences": differing},
        None,
    )


def _corruptions(harder: Content) -> Section:
    entry = registry.SECTIONS["corruptions"]
    return Section(entry.name, entry.title, harder.lead, harder.parts)


def sentence(sides: Sequence[ComparedRun], ranks: Ranks | None) -> str:
    """The best network over all runs, or of each run if they cannot be ranked together."""
    leaders = {
        side: side.run_data.leader.ranking[0].backbone
        for side in sides
        if side.run_data.leader and side.run_data.learned
    }
    if not any(side.run_data.leader for side in sides):
        return "No network has been tested yet in any of these runs."
    if not leaders:
        return "No network has learned anything in any of these runs."
    if ranks:
        return _best_rank(ranks)
    told = [
        f"{wording.title(name)} in {side.name} ({_value(side, name)})"
        for side, name in leaders.items()
    ]
    unsure = [
        side.name
        for side in leaders
        if side.analysis.verdict and not side.analysis.verdict.leads and len(side.rivals) > 1
    ]
    chance = f" In {wording.listed(unsure)} the first place may be chance." if unsure else ""
    metric = sides[0].run_data.metric
    best = "Highest" if metric.higher_is_better else "Lowest"
    return f"{best} {wording.noun(metric)}: {wording.listed(told)}.{chance}"


def _value(side: ComparedRun, name: str) -> str:
    """The mean of the leading metric of a network in a run."""
    return wording.metric(side.run_data.metric, side.lead[name].mean)


def _best_rank(ranks: Ranks) -> str:
    """The network with the best mean rank, and those it cannot be told from."""
    first, mean = ranks.means[0]
    opening = (
        f"{wording.title(first)} has the best mean rank, {mean:.2f} over {ranks.blocks} "
        f"rankings (Friedman {wording.p_equals(ranks.p)})"
    )
    if ranks.few:
        return f"{opening}; so few rankings cannot show which network is better."
    near = [wording.title(n) for n, m in ranks.means[1:] if m - mean < ranks.critical]
    if near:
        return f"{opening}; {wording.listed(near)} are too close to call."
    return f"{opening}, ahead of all others."


def records(sides: Sequence[ComparedRun]) -> dict[str, Any]:
    """The comparison as a plain table."""
    import pyarrow as pa

    rows = [
        {
            "run": side.name,
            "backbone": s.backbone,
            "epoch": s.epoch,
            "accuracy": s.accuracy.mean,
            "deviation": s.accuracy.deviation,
            "seeds": s.accuracy.n,
            **{
                name: s.metrics[name].mean if name in s.metrics else None
                for name in METRICS
                if name != "accuracy"
            },
        }
        for side in sides
        for s in side.run_data.comparison.at(side.analysis.period)
        if s.accuracy
    ]
    return {"runs": pa.Table.from_pylist(rows)} if rows else {}


def _results(sides: Sequence[ComparedRun]) -> Section:
    names = list(
        dict.fromkeys(name for side in sides for name in side.run_data.comparison.backbones)
    )
    built: list[Part] = []
    leading = sides[0].run_data.metric
    first = list(dict.fromkeys([leading.name, *(metric.name for metric in recorded())]))
    for metric in (METRICS[name] for name in first):
        built += [Heading(metric.title), run_tables.metric_table(sides, names, metric)]
    built += [Heading("Training time up to that epoch"), run_tables.time_table(sides, names)]
    others = [metric for metric in METRICS.values() if metric.name not in first]
    built += elements.fold(
        "Other metrics", *(run_tables.metric_table(sides, names, metric) for metric in others)
    )
    epochs = wording.listed([f"epoch {side.analysis.epoch} of {side.name}" for side in sides])
    return Section(
        "results",
        "Side by side",
        f"After {epochs}. With several seeds or splits: mean ± deviation over them.",
        tuple(built),
    )


def _certainty(analysis: RunsAnalysis, metric: Metric) -> list[Section]:
    built: list[Part] = []
    if ranks := analysis.ranks:
        drawn = [] if ranks.few else [significance.critical(ranks, "ranking")]
        built += [
            Heading("Ranks over runs and seeds"),
            Text(significance.told(ranks, "rankings")),
            *elements.figures(drawn),
        ]
    if analysis.across:
        built += same_network.parts(analysis.across, metric)
    title = registry.SECTIONS["certainty"].title
    return [Section("certainty", title, "", tuple(built))] if built else []


def _differences(sides: Sequence[ComparedRun], told: Sequence[Mapping[str, str]]) -> Section:
    keys = list(dict.fromkeys(key for facts in told for key in facts))
    rows = tuple(
        (key, *(facts.get(key, "–") for facts in told))
        for key in keys
        if len({facts.get(key) for facts in told}) > 1
    )
    same = len(keys) - len(rows)
    lead = f"Specification, data and versions. {same} other values are the same in all runs."
    table = Table(
        ("What", *(side.name for side in sides)),
        rows or (("nothing", *("" for _ in sides)),),
        name="differences",
        title="Differences between the runs",
        style="unsorted",
    )
    return Section("differences", "Differences", lead, (table,))


def _facts_of(side: ComparedRun) -> list[tuple[str, str]]:
    run, prepared = side.run_data.run, side.run_data.prepared
    asked = {
        key: value for key, value in run.spec.model_dump(mode="json").items() if key not in UNTOLD
    }
    made = {key: value for key, value in run.provenance.items() if key not in UNTOLD}
    data = {
        "name": run.data,
        "images": prepared.images if prepared else None,
        "classes": len(side.run_data.classes),
    }
    hardware = sorted({f"{s.host} {s.device}" for s in side.analysis.timeline.spans})
    return tables.flat({"spec": asked, "data": data, "made by": made, "ran on": hardware})


def _cautions(sides: Sequence[ComparedRun]) -> list[str]:
    told = []
    if len({side.run_data.run.data for side in sides}) > 1:
        told.append(
            "The runs use different data sets (or splits), so their accuracies are not for the "
            "same images."
        )
    if len({side.analysis.epoch for side in sides}) > 1:
        told.append("The runs are compared after different epochs.")
    for side in sides:
        told += [f"{side.name}: {note}" for note in cautions.unlearned(side.run_data)]
        undone = sum(state != "done" for state in side.run_data.states.values())
        told += (
            [f"{side.name} is not complete: {wording.count(undone, 'task')} not done."]
            if undone
            else []
        )
    return told


def _link(side: ComparedRun) -> Text:
    return Text("The full report of this run", f"{side.name}/report.html")


def _facts(
    sides: Sequence[ComparedRun],
    analysis: RunsAnalysis,
    headline: Headline,
    sentences: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "runs": [
            {
                "run": side.name,
                "data": side.run_data.run.data,
                "period": side.analysis.period,
                "epoch": side.analysis.epoch,
                "accuracy": side.accuracy,
                "lead": {name: spread.mean for name, spread in side.lead.items()},
                "sentence": sentences[side.name],
            }
            for side in sides
        ],
        "metric": sides[0].run_data.metric.name,
        "answer": {"sentence": headline.sentence, "cautions": list(headline.cautions)},
        "ranks": asdict(analysis.ranks) if analysis.ranks else None,
        "across": [
            {
                "backbone": one.backbone,
                **json_facts.paired_test(one.test),
                "p_holm": one.p_holm,
            }
            for one in analysis.across
        ],
    }
