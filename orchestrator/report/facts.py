"""Every figure of the report, unrounded, as plain JSON values; `KEYS` says what each key holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.compare import Result, Spread, Standing
from orchestrator.report import answer, answers, images, matrices, tables, wording
from orchestrator.report.evidence import Evidence

KEYS = {
    "keys": "what each key of this file holds",
    "run": "the run's name, when it was submitted (seconds since 1970, UTC), and the data set's name",
    "spec": "what was asked for: every option with its value",
    "answer": "the report's first sentence, what to hold against it, and the ranking it rests on: mean test accuracy "
              "(share, 0..1) after `period`; `margin` is the lead in the same unit; `doubtful` when the 95% intervals "
              "overlap (one seed) or the means are closer than the larger deviation (several)",
    "missing": "what the run asked for and is not there, in words; empty when all is done",
    "tasks": "how many tasks are in each state",
    "standings": "one entry for each period and network: mean, deviation (n - 1; null for one seed) and n over seeds "
                 "of test accuracy, test loss (nats an image) and training time (seconds); under `trials` each seed's "
                 "counts with its Wilson 95% interval",
    "curves": "one entry for each trial and epoch: losses in nats an image, accuracy as a share, times in seconds",
    "confusion": "one entry for each network after the first and the last period: counts[i][j] test images of class "
                 "classes[i] were answered with classes[j]; seeds are summed",
    "questions": "test images shown with every network's answer, and how many images all, some or none got right",
    "trials": "one entry for each trial: what it is, its parameters' numerics, and where it ran",
    "data": "origin, classes, images of each class by split, files left out, exact duplicates, whether pixels exist",
    "attempts": "how many attempts of each kind of task ended in which state, with the failure's class",
    "provenance": "what the run was made by, as recorded when it was submitted",
}


def collect(evidence: Evidence, chosen: Sequence[answers.Question], tally: dict[str, int]) -> dict[str, Any]:
    """The report as JSON values under the keys of `KEYS`; a number that is not finite becomes null."""
    run, states = evidence.run, list(evidence.states.values())
    found: dict[str, Any] = {
        "keys": KEYS,
        "run": {"name": run.name, "submitted_at": run.submitted_at, "data": run.data},
        "spec": run.spec.model_dump(mode="json"),
        "answer": _answer(evidence),
        "missing": answer.missing(evidence),
        "tasks": {state: states.count(state) for state in ("done", "open", "failed", "blocked")},
        "standings": [_standing(standing) for standing in evidence.comparison.standings],
        "curves": [asdict(row) for row in evidence.comparison.epochs],
        "confusion": _confusion(evidence),
        "questions": {"images": tally, "shown": [asdict(question) for question in chosen]},
        "trials": [_trial(evidence, name) for name in evidence.trials],
        "data": _data(evidence),
        "attempts": _attempts(evidence),
        "provenance": run.provenance,
    }
    whole: dict[str, Any] = _finite(found)
    return whole


def _answer(evidence: Evidence) -> dict[str, Any]:
    told = {"sentence": answer.sentence(evidence), "cautions": answer.cautions(evidence)}
    if evidence.lead is None:
        return told
    lead = evidence.lead
    ranking = [{"backbone": s.backbone, "accuracy": s.accuracy.mean} for s in lead.ranking if s.accuracy]
    return {**told, "period": lead.period, "epoch": lead.epoch, "margin": lead.margin, "shared_by": lead.shared_by,
            "doubtful": lead.doubtful, "ranking": ranking}


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "period": standing.period, "epoch": standing.epoch, "backbone": standing.backbone,
        "title": wording.title(standing.backbone), "accuracy": _spread(standing.accuracy),
        "loss": _spread(standing.loss), "train_seconds": _spread(standing.seconds),
        "trials": [_result(result) for result in standing.results],
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    return asdict(spread) if spread else None


def _result(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {"trial": result.trial, "seed": result.seed, "epochs_seen": result.epochs_seen,
                            "train_seconds": result.seconds, "test": None}
    if result.tested:
        test = result.tested
        told["test"] = {"loss": test.loss, "correct": test.correct, "total": test.total, "accuracy": test.accuracy,
                        "wilson_low": test.interval.low, "wilson_high": test.interval.high}
    return told


def _confusion(evidence: Evidence) -> list[dict[str, Any]]:
    entries = []
    for backbone in evidence.comparison.backbones:
        for period in evidence.periods:
            counts = matrices.counts(evidence, backbone, period)
            if counts is not None:
                entries.append({"backbone": backbone, "period": period, "epoch": evidence.run.epoch_of(period),
                                "classes": evidence.classes, "counts": counts.tolist()})
    return entries


def _trial(evidence: Evidence, name: str) -> dict[str, Any]:
    outcome = evidence.training.get(name, {})
    numerics = {key: outcome.get(key) for key in ("epoch", "precision", "threads", "micro_batches", "device",
                                                    "weights_digest")}
    return {"name": name, **evidence.trials[name].as_dict(), "training": numerics}


def _data(evidence: Evidence) -> dict[str, Any]:
    prepared = evidence.prepared or {}
    return {
        "origin": evidence.source.origin if evidence.source else None, "classes": evidence.classes,
        "images": prepared.get("images"), "by_class": prepared.get("classes"), "skipped": prepared.get("skipped"),
        "duplicates": images.duplicates(evidence), "pixels_there": evidence.pixels is not None,
    }


def _attempts(evidence: Evidence) -> list[dict[str, Any]]:
    table = tables.attempts(evidence)
    return [dict(zip(("kind", "state", "failure"), row[:3], strict=True)) | {"attempts": int(row[3].replace(",", ""))}
            for row in (table.rows if table else ())]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
