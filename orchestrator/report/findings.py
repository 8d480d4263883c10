"""What the evidence says: tests, ranks, calibration, agreement, cost and advice, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.agreement import Agreement, agree
from orchestrator.book import Answers
from orchestrator.calibration import Calibration, calibrate
from orchestrator.classes import ByClass, Confused, by_class, confused
from orchestrator.cost import Cost, costs
from orchestrator.duels import Duel, duels
from orchestrator.lead import Verdict, judge
from orchestrator.ranks import Ranks, ranks
from orchestrator.report import answers, matrices
from orchestrator.report.evidence import Evidence
from orchestrator.stopping import Stopping, advise
from orchestrator.timeline import Timeline, timeline

TOP = 5
CONFUSED_PAIRS = 6


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is said after `period` of the run; `first` holds each backbone's answers by its first seed."""

    period: int
    epoch: int
    first: Mapping[str, Answers]
    asked: answers.Asked
    duels: tuple[Duel, ...]
    verdict: Verdict | None
    ranks: Ranks | None
    matrices: Mapping[tuple[str, int], Any]
    by_class: Mapping[str, list[ByClass]]
    confused: tuple[Confused, ...]
    calibration: Mapping[str, Calibration]
    agreement: tuple[Agreement, ...]
    top: Mapping[str, float]
    costs: tuple[Cost, ...]
    stopping: tuple[Stopping, ...]
    timeline: Timeline


def find(evidence: Evidence) -> Findings:
    """Everything, from one reading of the store."""
    period, book, names = evidence.period, evidence.book, evidence.comparison.backbones
    answered = {name: found for name in names if (found := evidence.answers(name, period))}
    first = {name: found[0] for name, found in answered.items()}
    asked, fought = answers.ask(book, first), duels(_right(evidence, answered))
    whose = {name: (trial.backbone, trial.seed) for name, trial in evidence.trials.items()}
    counted = {
        (name, p): matrix for name in names for p in sorted({*evidence.periods, period})
        if (matrix := matrices.counts(evidence, name, p)) is not None
    }
    now = {name: counted[name, period] for name in names if (name, period) in counted}
    pooled = sum(now.values(), np.zeros((len(book.classes),) * 2, np.int64))
    places = np.array(asked.order, np.int64)
    rows = evidence.comparison.epochs
    return Findings(
        period, evidence.run.epoch_of(period), first, asked, fought,
        judge(evidence.lead, fought) if evidence.lead else None, _ranks(evidence), counted,
        {name: by_class(counts, book.classes) for name, counts in now.items()},
        tuple(confused(pooled, book.classes, CONFUSED_PAIRS)), _calibration(evidence, answered),
        tuple(agree(a, b, first[a].predicted[places], first[b].predicted[places], book.labels[places])
              for a, b in combinations(first, 2)),
        _top(answered), tuple(costs(evidence.comparison, period, len(book.classes), evidence.trainings)),
        tuple(advice for trial in evidence.trials if (advice := advise([r for r in rows if r.trial == trial]))),
        timeline(evidence.attempts, whose, evidence.states),
    )


def _right(evidence: Evidence, answered: Mapping[str, list[Answers]]) -> dict[str, Any]:
    """Each backbone's right answers as (seeds, images), on the images that all have answered."""
    every = [one.predicted >= 0 for found in answered.values() for one in found]
    common = np.logical_and.reduce(every) if every else np.zeros(0, bool)
    return {name: np.stack([evidence.book.right(one)[common] for one in found]) for name, found in answered.items()}


def _ranks(evidence: Evidence) -> Ranks | None:
    """Seeds as blocks: those that every tested backbone was tested with."""
    scores = {
        standing.backbone: {r.seed: r.tested.accuracy for r in standing.results if r.tested}
        for standing in evidence.comparison.at(evidence.period) if standing.tests
    }
    seeds = sorted(set.intersection(*(set(found) for found in scores.values()))) if scores else []
    return ranks({name: [found[seed] for seed in seeds] for name, found in scores.items()})


def _calibration(evidence: Evidence, answered: Mapping[str, list[Answers]]) -> dict[str, Calibration]:
    """Over all seeds together."""
    measured = {}
    for name, found in answered.items():
        given = [one.predicted >= 0 for one in found]
        sure = np.concatenate([one.confidence[there] for one, there in zip(found, given, strict=True)])
        right = np.concatenate([evidence.book.right(one)[there] for one, there in zip(found, given, strict=True)])
        if known := calibrate(sure, right):
            measured[name] = known
    return measured


def _top(answered: Mapping[str, list[Answers]]) -> dict[str, float]:
    """The share of images whose true class was among the first `TOP` answers, over all seeds, where it is known."""
    found = {}
    for name, several in answered.items():
        known = np.concatenate([one.rank[one.rank >= 0] for one in several])
        if len(known):
            found[name] = float(np.mean(known < TOP))
    return found
