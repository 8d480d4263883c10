"""Comparison of several runs: results that they share, ranks, and each network across runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.analysis.across_runs import NetworkAcross as NetworkAcross
from orchestrator.analysis.across_runs import Settings, across
from orchestrator.analysis.common_settings import CommonSetting, common_settings
from orchestrator.analysis.compared_run import ComparedRun as ComparedRun
from orchestrator.analysis.compared_run import Contestant as Contestant
from orchestrator.analysis.ranks import Ranks, rank_networks
from orchestrator.analysis.spreads import Spread
from orchestrator.analysis.standings import Standing, in_order
from orchestrator.analysis.tested_images import (
    ImageGroup,
    image_groups,
    numbered,
    run_images,
)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The tested trainings of a network with one setting, and all runs that hold these.

    `seconds` is their training time up to the compared epoch.
    """

    runs: tuple[str, ...]
    common: CommonSetting
    standing: Standing
    seconds: Spread | None


@dataclass(frozen=True, slots=True)
class RunsAnalysis:
    """Several runs compared: their `labels` mean the same in all of them, in order of reports.

    `results` has the same trainings once. `images` are the runs by their test images. `ranks` are
    those over all runs (None: too few), and `across` has each network between every two runs.
    """

    settings: Settings
    labels: tuple[str, ...]
    results: tuple[RunResult, ...]
    images: tuple[ImageGroup, ...]
    ranks: Ranks | None
    across: tuple[NetworkAcross, ...]

    def label(self, run: str, own: str) -> str:
        """What stands in all runs for the own label of one."""
        return self.settings[run][own].label


def analyse_runs(sides: Sequence[ComparedRun]) -> RunsAnalysis:
    """Compare the runs once."""
    of_runs = [side.run_data for side in sides]
    images = [run_images(each) for each in of_runs]
    tested_on = numbered(one.tested for one in images)
    common = common_settings(of_runs, tested_on, numbered(one.contents for one in images))
    settings = {side.name: of_run for side, of_run in zip(sides, common, strict=True)}
    own = ((side, name) for side in sides for name in side.run_data.comparison.backbones)
    labels = dict.fromkeys(settings[side.name][name].label for side, name in own)
    return RunsAnalysis(
        settings,
        tuple(in_order(labels)),
        results(sides, settings),
        image_groups(of_runs, images, tested_on),
        rank(sides, settings),
        across(sides, images, tested_on, settings),
    )


def results(sides: Sequence[ComparedRun], settings: Settings) -> tuple[RunResult, ...]:
    """The standing of each network and setting in each run; the same trainings once."""
    known: dict[tuple[Any, ...], RunResult] = {}
    for side in sides:
        seconds = {cost.backbone: cost.seconds for cost in side.analysis.costs}
        for standing in side.standings:
            common = settings[side.name][standing.backbone]
            tested = [(one.trial, one.epoch) for one in standing.results if one.tested]
            key = (common.label, *sorted(tested))
            one = known.get(key)
            one = one or RunResult((), common, standing, seconds.get(standing.backbone))
            known[key] = replace(one, runs=(*one.runs, side.name))
    return tuple(known.values())


def rank(sides: Sequence[ComparedRun], settings: Settings) -> Ranks | None:
    """Ranks of the common networks over every (run, seed) in which all were tested.

    Each ranking is of one run with its settings; settings that vary within a run are ranked for
    themselves. Rankings of the same trainings count once.
    """
    shared = set.intersection(
        *({settings[side.name][name].contender for name in side.rivals} for side in sides)
    )
    rankings: dict[frozenset[tuple[str, int]], dict[str, float]] = {}
    for side in sides:
        metric = side.run_data.metric
        scores: dict[Any, dict[str, float]] = {}
        trained: dict[Any, set[tuple[str, int]]] = {}
        for standing in side.standings:
            name = settings[side.name][standing.backbone].contender
            for one in standing.results:
                if name in shared and metric.name in one.metrics:
                    key = (one.split, one.seed)
                    scores.setdefault(key, {})[name] = metric.sign * one.metrics[metric.name]
                    trained.setdefault(key, set()).add((one.trial, one.epoch))
        for key, of_seed in scores.items():
            if set(of_seed) == shared:
                rankings.setdefault(frozenset(trained[key]), of_seed)
    blocks = list(rankings.values())
    return rank_networks({name: [block[name] for block in blocks] for name in shared})
