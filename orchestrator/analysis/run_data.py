"""The networks of a run compared: standings, leader, predictions, and what learned nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.catalog.metrics import Metric
from jobs.data.data_source import DataSource
from jobs.store import leaks as kept_leaks
from jobs.store.decisions import NONE, Decisions
from jobs.store.records import TaskFailure, TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Trial
from orchestrator.analysis import other_data, scoring, standings
from orchestrator.analysis.benchmarks import Benchmark, read_benchmarks
from orchestrator.analysis.chance import above_chance
from orchestrator.analysis.image_values import values_of_networks
from orchestrator.analysis.leader import Leader, among
from orchestrator.analysis.leaks import METHOD, Leaks, as_record, find_leaks, from_record
from orchestrator.analysis.load import (
    StoredResults,
    load_results,
    require_periods,
    require_training,
)
from orchestrator.analysis.load_rankings import StoredRanking
from orchestrator.analysis.other_data import OtherData
from orchestrator.analysis.predictions import Predictions, TrialPredictions
from orchestrator.analysis.restated import without_images
from orchestrator.analysis.robustness import Robustness, measure
from orchestrator.analysis.unlearned import Learning, judge_learning

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class RunData:
    """A run and its results; `manifest`, `pixels` and `prepared` are None if missing.

    `leader` ranks the networks that learned something (see `learning`), or all if none did.
    Where this and the analysis say backbone, a network with each of its settings is one of its
    own; `labels` gives that of each trial. `leaks` are None where the data set is not prepared.
    `without_suspects` is the comparison on the other test images, where there are suspects.
    With several splits, `splits` has the run data of each (`analysis.splits`) and `split_of` that
    of each trial; what is of single images is that of the first. `validation` has the answers to
    the validation images after the compared period, of trials that published them.
    """

    run: Run
    trials: dict[str, Trial]
    states: dict[str, str]
    failures: dict[str, TaskFailure]
    comparison: standings.Comparison
    leader: Leader | None
    periods: tuple[int, ...]
    predictions: Predictions
    validation: Predictions
    attempts: pa.Table
    source: DataSource | None
    prepared: TaskResult | None
    manifest: pa.Table | None
    pixels: np.ndarray[Any, Any] | None
    training: dict[str, TaskResult]
    robustness: Robustness | None = None
    trainings: dict[str, dict[int, TaskResult]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    learning: Learning = field(default_factory=Learning)
    other_data: tuple[OtherData, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    root: Path = Path()
    rankings: tuple[StoredRanking, ...] = ()
    leaks: Leaks | None = None
    without_suspects: RunData | None = None
    splits: Mapping[int, RunData] = field(default_factory=dict)
    split_of: Mapping[str, int] = field(default_factory=dict)
    decisions: Decisions = NONE

    @property
    def metric(self) -> Metric:
        """The metric that leads."""
        return self.comparison.metric

    @property
    def shown_split(self) -> int | None:
        """Of several splits, that whose single images are shown."""
        return next(iter(self.splits), None)

    @property
    def repeated(self) -> bool:
        """Whether each network was trained several times: with several seeds, or on splits."""
        return self.run.spec.seeds > 1 or bool(self.splits)

    @cached_property
    def period(self) -> int:
        """The period of the comparison: that of the leader, else the last one shown."""
        return self.leader.period if self.leader else self.periods[-1]

    def label(self, trial: str) -> str:
        """The network of a trial, in a grid with its setting."""
        return self.labels.get(trial, self.trials[trial].backbone)

    def answers(self, backbone: str, period: int) -> list[TrialPredictions]:
        """Predictions of a backbone after a period, by seed; seeds without any are left out."""
        return [given for _, given in _answers(self, backbone, period)]

    def learned_answers(self, backbone: str, period: int) -> list[TrialPredictions]:
        """Predictions of the seeds that learned something, or of all if none did."""
        trials = self.learning.trials(backbone, period)
        unlearned = {trial.seed for trial in trials if trial.split in (None, self.shown_split)}
        answers = _answers(self, backbone, period)
        return [given for seed, given in answers if seed not in unlearned] or self.answers(
            backbone, period
        )

    def validation_of(self, given: TrialPredictions) -> TrialPredictions | None:
        """The answers of the same trial and epoch to `validation`; None where not published."""
        keys = (key for key, one in self.predictions.answers.items() if one is given)
        return next((self.validation.of(*key) for key in keys), None)

    @cached_property
    def learned(self) -> list[str]:
        """The backbones that had learned something after the compared period."""
        return self.learning.learned(self.comparison.backbones, self.period)

    @cached_property
    def better_than_guessing(self) -> list[str]:
        """The backbones that learned something and are shown to be above chance."""
        chance = self.learning.baselines.chance
        at = self.comparison.at(self.period)
        above = {one.backbone for one in at if one.tests and above_chance(one, chance)}
        return [name for name in self.learned if name in above]

    @cached_property
    def rivals(self) -> list[str]:
        """The backbones to compare: those that learned something, or all if none did."""
        return self.learned or list(self.comparison.backbones)

    @cached_property
    def noun(self) -> str:
        """What is compared: networks, or in a grid their settings."""
        return "setting" if self.run.spec.varies else "network"

    @cached_property
    def compared(self) -> str:
        """How much is compared: `7 networks`, in a grid `12 settings of 2 networks`."""
        labels, networks = len(self.comparison.backbones), len(self.run.spec.backbones)
        of_networks = f"{networks} network{'' if networks == 1 else 's'}"
        return f"{labels} settings of {of_networks}" if self.run.spec.varies else of_networks

    @cached_property
    def test_images(self) -> int:
        """Number of test images; 0 before any test."""
        totals = [test.total for standing in self.comparison.standings for test in standing.tests]
        return max(totals, default=0)

    @cached_property
    def swing(self) -> float:
        """How much one test image can change the leading metric (`image_values.swing`)."""
        every = {name: self.answers(name, self.period) for name in self.comparison.backbones}
        answered = {name: seeds for name, seeds in every.items() if seeds}
        return values_of_networks(self.metric, self.predictions, answered).swing

    @cached_property
    def images_by_class(self) -> dict[str, dict[str, int]]:
        """Images of each split by class; empty before the data set is prepared."""
        return (self.prepared and self.prepared.classes) or {}

    @cached_property
    def classes(self) -> list[str]:
        """All classes by name, from the data set and the predictions."""
        return list(self.predictions.classes)


def read_run_data(
    store: Store, run: Run, periods: Sequence[int] = (), metric: Metric | None = None
) -> RunData:
    """Load all published results of a run, then compare its networks at these `periods`.

    None given: the first and the last. `metric` leads, by default that of the run. Raises
    `OrchError` when nothing is done yet, `RequestError` for a period that the run does not have.
    """
    require_training(store, run)
    require_periods(run, periods)
    if run.spec.splits > 1:
        from orchestrator.analysis import splits

        return splits.read(store, run, periods, metric)
    stored = load_results(store, run)
    return with_leaks(store, stored, compare_networks(stored, periods, metric))


def with_leaks(store: Store, stored: StoredResults, run_data: RunData) -> RunData:
    """The run data with the suspects among the test images, and the comparison without them."""
    if stored.manifest is None:
        return run_data
    data = stored.run.data
    if record := kept_leaks.kept(store, data, METHOD):
        leaks = from_record(record, stored.manifest)
    else:
        leaks = find_leaks(stored.manifest, stored.pixels, stored.source)
    without = None
    tested = run_data.predictions.images
    if run_data.leader and not leaks.images.isdisjoint(tested) and not leaks.images >= {*tested}:
        rest = without_images(stored, run_data.predictions, leaks.images)
        without = compare_networks(rest, (run_data.period,), run_data.metric)
    return replace(run_data, leaks=leaks, without_suspects=without)


def keep_leaks(store: Store, run_data: RunData) -> None:
    """Keep the suspects beside their data sets, where they are not, for later reports."""
    for part in run_data.splits.values() or [run_data]:
        if part.leaks and not (part.leaks.kept or part.leaks.unseen):
            kept_leaks.keep(store, part.run.data, as_record(part.leaks))


def compare_networks(
    stored: StoredResults, periods: Sequence[int] = (), metric: Metric | None = None
) -> RunData:
    """The comparison of what was loaded; raises `OrchError` when nothing is done yet."""
    run, scored = stored.run, scoring.score(stored, periods, metric)
    run_data = RunData(
        run=run,
        trials=stored.trials,
        states=stored.states,
        failures=stored.failures,
        comparison=scored.comparison,
        leader=scored.leader,
        periods=scored.periods,
        predictions=scored.predictions,
        validation=scored.validation,
        attempts=stored.attempts,
        source=stored.source,
        prepared=stored.prepared,
        manifest=stored.manifest,
        pixels=stored.pixels,
        training=stored.training,
        robustness=measure(run, scored.comparison, scored.whose, stored.evaluations),
        trainings=stored.trainings,
        other_data=_other_data(stored, scored.whose),
        labels=stored.labels,
        root=stored.root,
        benchmarks=_benchmarks(stored),
        rankings=stored.rankings,
        decisions=stored.decisions,
    )
    return _with_learning(run_data, scored.predicted)


def _benchmarks(stored: StoredResults) -> tuple[Benchmark, ...]:
    rows, differences = stored.benchmarks, stored.benchmark_differences
    return read_benchmarks(rows, differences, stored.labels, stored.run.spec.epochs)


def _other_data(
    stored: StoredResults, whose: Mapping[str, tuple[str, int]]
) -> tuple[OtherData, ...]:
    """The results on other data."""
    rows, own = stored.other_evaluations, stored.evaluations
    manifests = stored.other_manifests
    return other_data.measure(stored.others, rows, own, whose, stored.manifest, manifests)


def _with_learning(run_data: RunData, periods: Collection[int]) -> RunData:
    """The run data with trials that learned nothing, and a leader that learned something."""
    answered = {
        (backbone, period): given
        for period in periods
        for backbone in run_data.comparison.backbones
        if (given := _answers(run_data, backbone, period))
    }
    learning = judge_learning(run_data.predictions, answered)
    learned = learning.learned(run_data.comparison.backbones, run_data.period)
    leader = among(run_data.leader, learned) if run_data.leader else None
    return replace(run_data, learning=learning, leader=leader)


def _answers(run_data: RunData, backbone: str, period: int) -> list[tuple[int, TrialPredictions]]:
    """Seeds of a backbone with their predictions after a period."""
    epoch = run_data.run.epoch_of(period)
    trials = sorted(
        (
            (trial.seed, name)
            for name, trial in run_data.trials.items()
            if run_data.label(name) == backbone
        )
    )
    return [
        (seed, given)
        for seed, name in trials
        if (given := run_data.predictions.of(name, run_data.comparison.tested_at(name, epoch)))
    ]
