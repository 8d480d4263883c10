"""All figures of the report, unrounded, as JSON values; `KEYS` describes each key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.examples import Example
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import PeriodResult, Standing
from orchestrator.analysis.statistics import Spread
from orchestrator.report import cautions, missing, summary
from orchestrator.report.rendering import wording
from orchestrator.report.sections import robustness, tables

KEYS = {
    "keys": "a description of each key of this file",
    "run": "the run's name, when it was submitted (seconds since 1970, UTC), and the data set's "
    "name",
    "spec": "what was asked for: every option with its value",
    "answer": "the report's first sentences, what to hold against them, and the ranking they rest "
    "on: mean test "
    "accuracy (share, 0..1) after `period`; `margin` is the lead in the same unit; `alike` are "
    "the networks that it does not beat: over seeds and images, or on these images with one "
    "seed; `doubtful` when the next is one of them; `leads` when it beats every other over seeds "
    "and images; `learned_nothing` has trials left out of the ranking when they are all of a "
    "network's: the class they predict most, its share of the images, their accuracy; `baselines` "
    "what chance and the commonest class reach",
    "missing": "what the run asked for and is not there, in words; empty when all is done",
    "tasks": "how many tasks are in each state",
    "standings": "one entry for each period and network: mean, deviation (n - 1; null for one "
    "seed), n and Student's "
    "95% interval over seeds of test accuracy, test loss (nats an image) and training time "
    "(seconds); `image_interval` is Wilson's 95% interval of the mean accuracy over images; "
    "under `trials` each seed's counts with its Wilson 95% interval",
    "duels": "every two networks on the same test images after the answer's period: images that "
    "only one predicted correctly "
    "(first seed), McNemar's exact p, the same after Holm's correction, mean difference of "
    "accuracy with its 95% bootstrap interval, and whether the data tell them apart; "
    "`seed_interval`, `p_seeds` and its Holm correction count seeds and images (null for one "
    "seed)",
    "ranks": "mean ranks over seeds, Friedman's statistic and p (`method`: exact, permutation or "
    "chi-squared), Nemenyi's critical difference, and groups within it; "
    "null with fewer than two seeds or three networks",
    "classes": "for each network and class: images (each counts once), precision, recall, F1 "
    "(shares; all seeds together; precision of a class never predicted is 0)",
    "confused": "classes taken for another most often, all networks together",
    "calibration": "for each network: expected calibration error, Brier score, mean confidence, "
    "accuracy, and the bins",
    "agreement": "every two networks: share of equal predictions, Cohen's kappa, images on which "
    "both are wrong alike",
    "top5": "for each network the share of images whose true class was among its first five "
    "predictions",
    "images": "how many images each network alone predicted correctly, and those that none did, "
    "highest confidence first",
    "cost": "for each network up to the answer's period: seconds of training (mean over seeds), "
    "images a second, "
    "parameters, thousands of millions of multiply-adds for one image of 224 px and "
    "(`run_gmacs`) of the run's size; peak memory in bytes "
    "(`memory_of`: gpu, what torch held there; process, what was resident of it), energy of the "
    "GPU in kWh "
    "(mean over the seeds it was counted of) and the share of their epochs that it stands for; "
    "null: not "
    "measured",
    "stopping": "for each trial: best epoch by validation loss, gaps between validation and "
    "training loss, where overfitting starts, where early stopping would have ended it and what "
    "that would have saved",
    "corruptions": "test accuracy (share) of each network on corrupted images, by corruption and "
    "severity. Corruption errors are relative to `reference`. null: none requested",
    "curves": "one entry per trial and epoch: losses in nats per image, accuracy as a share, "
    "times in seconds",
    "confusion": "one entry per network and shown period: counts[i][j] test images of class "
    "classes[i] were predicted as classes[j]; seeds are summed",
    "questions": "test images shown with the prediction of every network, and how many images "
    "all, some or no networks classified correctly",
    "trials": "one entry per trial: its description, numerics, and where it ran",
    "data": "origin, classes, images of each class by split, skipped files, exact duplicates, "
    "whether pixels exist",
    "attempts": "number of attempts by kind of task, final state and class of failure",
    "timeline": "every attempt with worker, host and device, in seconds since the first one "
    "started; faults and how many of them were survived",
    "provenance": "software and settings of the run, as recorded when it was submitted",
}
MAX_ALL_WRONG = 200


def collect(
    run_data: RunData,
    analysis: Analysis,
    chosen: Sequence[Example],
    tally: dict[str, int],
    duplicates: dict[str, int] | None,
) -> dict[str, Any]:
    """The report as JSON values under `KEYS`; non-finite numbers become null."""
    run, states = run_data.run, list(run_data.states.values())
    found: dict[str, Any] = {
        "keys": KEYS,
        "run": {"name": run.name, "submitted_at": run.submitted_at, "data": run.data},
        "spec": run.spec.model_dump(mode="json"),
        "answer": _answer(run_data, analysis),
        "missing": missing.missing(run_data),
        "tasks": {state: states.count(state) for state in ("done", "open", "failed", "blocked")},
        "standings": [_standing(standing) for standing in run_data.comparison.standings],
        **_tested(analysis),
        "corruptions": robustness.facts(run_data.robustness),
        "curves": [asdict(row) for row in run_data.comparison.epochs],
        "confusion": [
            {
                "backbone": backbone,
                "period": period,
                "epoch": run.epoch_of(period),
                "classes": run_data.classes,
                "counts": counts.tolist(),
            }
            for (backbone, period), counts in analysis.matrices.items()
        ],
        "questions": {"images": tally, "shown": [asdict(example) for example in chosen]},
        "trials": [_trial(run_data, name) for name in run_data.trials],
        "data": _data(run_data, duplicates),
        "attempts": _attempts(run_data),
        "timeline": _timeline(analysis),
        "provenance": run.provenance,
    }
    whole: dict[str, Any] = _finite({key: found[key] for key in KEYS})
    return whole


def paired_test(found: PairwiseTest) -> dict[str, Any]:
    """One pairwise test as JSON values."""
    return {**asdict(found), "told_apart": found.significant}


def _answer(run_data: RunData, analysis: Analysis) -> dict[str, Any]:
    told = {
        "sentence": summary.sentence(run_data, analysis),
        "price": summary.cost(run_data, analysis),
        "cautions": cautions.cautions(run_data, analysis),
    }
    told |= _learning(run_data)
    if run_data.leader is None:
        return told
    lead, alike = run_data.leader, analysis.verdict.alike if analysis.verdict else ()
    ranking = [
        {"backbone": s.backbone, "accuracy": s.accuracy.mean} for s in lead.ranking if s.accuracy
    ]
    return {
        **told,
        "period": lead.period,
        "epoch": lead.epoch,
        "margin": lead.margin,
        "shared_by": lead.shared_by,
        "alike": list(alike),
        "doubtful": len(ranking) > 1 and ranking[1]["backbone"] in alike,
        "leads": bool(analysis.verdict and analysis.verdict.leads),
        "ranking": ranking,
    }


def _learning(run_data: RunData) -> dict[str, Any]:
    """Trials that learned nothing, by backbone, and what an answer without looking reaches."""
    learning, period = run_data.learning, run_data.period
    return {
        "learned_nothing": {
            name: [asdict(trial) for trial in trials]
            for name in run_data.comparison.backbones
            if (trials := learning.trials(name, period))
        },
        "baselines": asdict(learning.baselines),
    }


def _tested(analysis: Analysis) -> dict[str, Any]:
    examples = analysis.examples
    wrong = (
        [examples.example(place) for place in examples.all_wrong()[:MAX_ALL_WRONG]]
        if examples.order
        else []
    )
    return {
        "duels": [paired_test(found) for found in analysis.paired_tests],
        "ranks": asdict(analysis.ranks) if analysis.ranks else None,
        "classes": {
            name: [asdict(one) for one in found] for name, found in analysis.by_class.items()
        },
        "confused": [asdict(one) for one in analysis.confused],
        "calibration": {
            name: {**asdict(one), "gap": one.gap} for name, one in analysis.calibration.items()
        },
        "agreement": [asdict(one) for one in analysis.agreement],
        "top5": dict(analysis.top),
        "images": {
            "right_alone": {name: len(examples.only(name)) for name in examples.networks},
            "all_wrong": [asdict(example) for example in wrong],
        },
        "cost": [asdict(cost) for cost in analysis.costs],
        "stopping": [asdict(one) for one in analysis.stopping],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "period": standing.period,
        "epoch": standing.epoch,
        "backbone": standing.backbone,
        "title": wording.title(standing.backbone),
        "accuracy": _spread(standing.accuracy),
        "loss": _spread(standing.loss),
        "train_seconds": _spread(standing.seconds),
        "image_interval": asdict(standing.image_interval) if standing.image_interval else None,
        "trials": [_result(result) for result in standing.results],
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    return asdict(spread) if spread else None


def _result(result: PeriodResult) -> dict[str, Any]:
    told: dict[str, Any] = {
        "trial": result.trial,
        "seed": result.seed,
        "epoch": result.epoch,
        "epochs_seen": result.epochs_seen,
        "train_seconds": result.seconds,
        "test": None,
    }
    if result.tested:
        test = result.tested
        told["test"] = {
            "loss": test.loss,
            "correct": test.correct,
            "total": test.total,
            "accuracy": test.accuracy,
            "wilson_low": test.interval.low,
            "wilson_high": test.interval.high,
        }
    return told


def _trial(run_data: RunData, name: str) -> dict[str, Any]:
    result = run_data.training.get(name, {})
    numerics = {
        key: result.get(key)
        for key in (
            "epoch",
            "stopped_early",
            "precision",
            "threads",
            "micro_batches",
            "device",
            "weights_digest",
        )
    }
    return {"name": name, **run_data.trials[name].as_dict(), "training": numerics}


def _data(run_data: RunData, duplicates: dict[str, int] | None) -> dict[str, Any]:
    prepared = run_data.prepared or {}
    return {
        "origin": run_data.source.origin if run_data.source else None,
        "classes": run_data.classes,
        "images": prepared.get("images"),
        "by_class": prepared.get("classes"),
        "skipped": prepared.get("skipped"),
        **{key: prepared[key] for key in ("value_range", "low_contrast") if prepared.get(key)},
        "duplicates": duplicates,
        "pixels_there": run_data.pixels is not None,
    }


def _attempts(run_data: RunData) -> list[dict[str, Any]]:
    table = tables.attempts(run_data)
    return [
        dict(zip(("kind", "state", "failure"), row[:3], strict=True))
        | {"attempts": int(row[3].replace(",", ""))}
        for row in (table.rows if table else ())
    ]


def _timeline(analysis: Analysis) -> dict[str, Any]:
    timeline = analysis.timeline
    facts = asdict(timeline)
    began = timeline.began.isoformat() if timeline.began else None
    return {"stints": facts.pop("spans"), **facts, "began": began}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
