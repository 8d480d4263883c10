"""All figures of the report, unrounded, as JSON values."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from msgspec import to_builtins

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.leader import Leader
from orchestrator.analysis.metrics import METRICS, Metric
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.spreads import Spread
from orchestrator.analysis.standings import PeriodResult, Standing
from orchestrator.report import choice_facts, json_other_images
from orchestrator.report.headline import Headline
from orchestrator.report.json_keys import KEYS, SCHEMA
from orchestrator.report.race_facts import decision_facts
from orchestrator.report.rendering import wording
from orchestrator.report.sections import data_source
from orchestrator.report.settings_apart import in_json, settings_of

MAX_ALL_WRONG = 200


def collect(run_data: RunData, analysis: Analysis, headline: Headline) -> dict[str, Any]:
    """The report as JSON values under `KEYS`; non-finite numbers become null."""
    run, states = run_data.run, list(run_data.states.values())
    settings = settings_of(run_data)
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "keys": _keys(run_data, analysis, settings),
        "run": {"name": run.name, "submitted_at": run.submitted_at, "data": run.data},
        "spec": run.spec.model_dump(mode="json"),
        "answer": _answer(run_data, analysis, headline),
        "missing": list(headline.missing),
        "tasks": {state: states.count(state) for state in _states(run_data)},
        "metric": run_data.metric.name,
        "metrics": {name: metric_facts(metric) for name, metric in METRICS.items()},
        "standings": [_standing(standing) for standing in run_data.comparison.standings],
        "settings": [asdict(one) for one in analysis.settings],
        **choice_facts.keys(run_data, analysis),
        "decisions": decision_facts(run_data),
        **_tested(analysis),
        **json_other_images.facts(run_data, analysis),
        "curves": [row.columns() for row in run_data.comparison.epochs],
        "confusion": _confusion(run_data, analysis),
        "questions": _questions(analysis),
        "trials": [_trial(run_data, name) for name in run_data.trials],
        "data": _data(run_data, analysis),
        "attempts": [asdict(one) for one in analysis.attempts],
        "timeline": _timeline(analysis),
        "provenance": run.provenance,
    }
    whole: dict[str, Any] = finite({key: facts[key] for key in facts["keys"]})
    return in_json(whole, settings) if settings else whole


def _questions(analysis: Analysis) -> dict[str, Any]:
    """The test images shown, and how many there are of each kind."""
    shown = [asdict(example) for example in analysis.chosen]
    return {"images": dict(analysis.kinds), "shown": shown}


def _states(run_data: RunData) -> tuple[str, ...]:
    """The states of tasks that are counted."""
    stopped = ("stopped",) if run_data.run.decision_epochs else ()
    return ("done", "open", "failed", "blocked", *stopped)


def _confusion(run_data: RunData, analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {
            "backbone": backbone,
            "period": period,
            "epoch": run_data.run.epoch_of(period),
            "classes": run_data.classes,
            "counts": counts.tolist(),
        }
        for (backbone, period), counts in analysis.matrices.items()
    ]


def _keys(run_data: RunData, analysis: Analysis, settings: Any) -> dict[str, str]:
    """The keys, without those that say nothing of this run."""
    shown = {
        "settings": bool(settings),
        "decisions": bool(run_data.run.decision_epochs),
        "foretold": bool(analysis.foretold),
    }
    return {key: told for key, told in KEYS.items() if shown.get(key, True)}


def paired_test(test: PairwiseTest) -> dict[str, Any]:
    """One pairwise test as JSON values."""
    return {**asdict(test), "told_apart": test.significant}


def _answer(run_data: RunData, analysis: Analysis, headline: Headline) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sentence": headline.sentence,
        "price": headline.cost,
        "cautions": list(headline.cautions),
    }
    told |= _learning(run_data)
    told["settling"] = asdict(analysis.settling) if analysis.settling else None
    if run_data.leader is None:
        return told
    lead, alike = run_data.leader, analysis.verdict.alike if analysis.verdict else ()
    ranking = [{"backbone": s.backbone, s.metric.name: s.lead.mean} for s in lead.ranking if s.lead]
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
        "unranked": _unranked(run_data, lead),
    }


def _unranked(run_data: RunData, lead: Leader) -> list[dict[str, Any]]:
    """The networks that the ranking leaves out, with their value and why."""
    ranked = {standing.backbone for standing in lead.ranking}
    return [
        {
            "backbone": standing.backbone,
            standing.metric.name: standing.lead.mean if standing.lead else None,
            "why": "learned nothing" if standing.lead else "no result",
        }
        for standing in run_data.comparison.at(lead.period)
        if standing.backbone not in ranked
    ]


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
    wrong = [examples.example(place) for place in analysis.all_wrong[:MAX_ALL_WRONG]]
    return {
        "duels": [paired_test(test) for test in analysis.paired_tests],
        "noninferior": None
        if analysis.margin is None
        else {
            "margin": analysis.margin,
            "networks": [{**asdict(one), "shown": one.shown} for one in analysis.noninferior],
        },
        "ranks": asdict(analysis.ranks) if analysis.ranks else None,
        "foretold": asdict(analysis.foretold) if analysis.foretold else None,
        "classes": {
            name: [asdict(one) for one in metrics] for name, metrics in analysis.by_class.items()
        },
        "confused": [asdict(one) for one in analysis.confused],
        "calibration": {
            name: {**asdict(one), "gap": one.gap} for name, one in analysis.calibration.items()
        },
        "selective": {name: asdict(one) for name, one in analysis.selective.items()},
        "agreement": [asdict(one) for one in analysis.agreement],
        "top5": dict(analysis.top),
        "images": {
            "right_alone": {name: len(alone) for name, alone in analysis.right_alone.items()},
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
        "metrics": {name: asdict(spread) for name, spread in standing.metrics.items()},
        "image_interval": asdict(standing.image_interval) if standing.image_interval else None,
        "lead_interval": asdict(standing.lead_interval) if standing.lead_interval else None,
        "trials": [_result(result) for result in standing.results],
    }


def metric_facts(metric: Metric) -> dict[str, Any]:
    """What a metric is."""
    return {
        "title": metric.title,
        "help": metric.help,
        "higher_is_better": metric.higher_is_better,
        "form": metric.form,
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    return asdict(spread) if spread else None


def _result(result: PeriodResult) -> dict[str, Any]:
    told: dict[str, Any] = {
        "trial": result.trial,
        "seed": result.seed,
        **({} if result.split is None else {"split_seed": result.split}),
        "epoch": result.epoch,
        "epochs_seen": result.epochs_seen,
        "train_seconds": result.seconds,
        **_of_features(result),
        "test": None,
        "metrics": dict(result.metrics),
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


def _of_features(result: PeriodResult) -> dict[str, Any]:
    """The seconds of its features, where a period began with computing them."""
    return {} if result.feature_seconds is None else {"feature_seconds": result.feature_seconds}


def _trial(run_data: RunData, name: str) -> dict[str, Any]:
    result = run_data.training.get(name)
    recorded = to_builtins(result) if result else {}
    numerics = {
        key: recorded.get(key)
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
    described = run_data.trials[name].as_dict() | {"backbone": run_data.label(name)}
    return {"name": name, **described, "training": numerics}


def _data(run_data: RunData, analysis: Analysis) -> dict[str, Any]:
    prepared = to_builtins(run_data.prepared) if run_data.prepared else {}
    return {
        **data_source.facts(run_data.source),
        "classes": run_data.classes,
        "images": prepared.get("images"),
        "by_class": prepared.get("classes"),
        "skipped": prepared.get("skipped"),
        **{key: prepared[key] for key in ("value_range", "low_contrast") if prepared.get(key)},
        "duplicates": dict(analysis.duplicates) if analysis.duplicates is not None else None,
        "pixels_there": run_data.pixels is not None,
    }


def _timeline(analysis: Analysis) -> dict[str, Any]:
    timeline = analysis.timeline
    facts = asdict(timeline)
    began = timeline.began.isoformat() if timeline.began else None
    return {"stints": facts.pop("spans"), **facts, "began": began}


def finite(value: Any) -> Any:
    """The value with null for each number that is not finite."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
