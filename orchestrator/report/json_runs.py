"""What report.json of several runs holds, and what its keys mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.analysis.metrics import METRICS
from orchestrator.analysis.multi_run import (
    ComparedRun,
    NetworkAcross,
    RunResult,
    RunsAnalysis,
)
from orchestrator.report import json_facts
from orchestrator.report.headline import Headline
from orchestrator.report.json_keys import KEYS, SCHEMA
from orchestrator.report.rendering import wording

KEYS_OF_RUNS = {
    "schema": KEYS["schema"],
    "keys": KEYS["keys"],
    "runs": "one entry for each run: its data set, the compared period and epoch, the first "
    "sentence of its own report, and by network and setting the mean accuracy and leading metric",
    "metric": "the metric that leads, by its name in `metrics`: ranks and `across` are of it",
    "metrics": KEYS["metrics"],
    "answer": "the first sentence, and what to hold against it",
    "standings": "one entry for the trainings of each network and setting: the `runs` that hold "
    "them (the same trainings are here once), the `setting` that tells them from other trainings "
    "of the network in any of the runs, their names (`trials`), and every metric and the training "
    "time up to `epoch` (seconds) over seeds or splits, as in the report of a single run",
    "test_images": "one entry for the runs that are tested on the same `images`: how their data "
    "differ otherwise, by key and run (`training_images`: they are trained or validated on "
    "others), and how many of the images other runs are `shared` with",
    "ranks": "mean ranks over (run, seed) of the networks that all runs have, Friedman's "
    "statistic and p, Nemenyi's critical difference, and groups within it; a ranking of the same "
    "trainings counts once. null with fewer than two rankings or three networks",
    "across": "each network between every two runs that are tested on the same images, with its "
    "first seed: `first` and `second` are the first of the `runs` that hold these trainings, each "
    "with `setting` and tested `epoch`; the test is that of `duels`, and Holm's correction is "
    "over all entries",
    "differences": "for each of `runs`, in their order, the values in which the runs differ: of "
    "the specification (a list where a grid has several), the data, versions and hardware. null: "
    "this run has no value",
}


def collect(
    sides: Sequence[ComparedRun],
    analysis: RunsAnalysis,
    headline: Headline,
    sentences: Mapping[str, str],
    differences: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The comparison as JSON values under `KEYS_OF_RUNS`; non-finite numbers become null."""
    facts = {
        "schema": SCHEMA,
        "keys": KEYS_OF_RUNS,
        "runs": [_run(side, analysis, sentences[side.name]) for side in sides],
        "metric": sides[0].run_data.metric.name,
        "metrics": {name: json_facts.metric_facts(metric) for name, metric in METRICS.items()},
        "answer": {"sentence": headline.sentence, "cautions": list(headline.cautions)},
        "standings": [_standing(one) for one in analysis.results],
        "test_images": [asdict(one) for one in analysis.images],
        "ranks": asdict(analysis.ranks) if analysis.ranks else None,
        "across": [_across(one) for one in analysis.across],
        "differences": list(differences),
    }
    whole: dict[str, Any] = json_facts.finite({key: facts[key] for key in KEYS_OF_RUNS})
    return whole


def _run(side: ComparedRun, analysis: RunsAnalysis, sentence: str) -> dict[str, Any]:
    accuracies = ((one.backbone, one.accuracy) for one in side.standings)
    return {
        "run": side.name,
        "data": side.run_data.run.data,
        "period": side.analysis.period,
        "epoch": side.analysis.epoch,
        "accuracy": {analysis.label(side.name, n): one.mean for n, one in accuracies if one},
        "lead": {analysis.label(side.name, n): one.mean for n, one in side.lead.items()},
        "sentence": sentence,
    }


def _standing(one: RunResult) -> dict[str, Any]:
    standing = one.standing
    return {
        "runs": list(one.runs),
        "backbone": one.common.backbone,
        "setting": dict(one.common.setting),
        "title": wording.title(one.common.label),
        "epoch": standing.epoch,
        "trials": [result.trial for result in standing.results if result.tested],
        "metrics": {name: asdict(spread) for name, spread in standing.metrics.items()},
        "train_seconds": asdict(one.seconds) if one.seconds else None,
    }


def _across(one: NetworkAcross) -> dict[str, Any]:
    first, second = one.first, one.second
    return {
        "backbone": one.backbone,
        **json_facts.paired_test(one.test),
        "first_runs": list(first.runs),
        "second_runs": list(second.runs),
        "first_setting": dict(first.common.setting),
        "second_setting": dict(second.common.setting),
        "first_epoch": first.epoch,
        "second_epoch": second.epoch,
    }
