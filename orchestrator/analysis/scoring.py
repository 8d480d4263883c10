"""Loaded results scored: standings by every metric, the predictions behind them, the leader."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.catalog.metrics import Metric, short_of_classes
from jobs.errors import OrchError, RequestError
from jobs.store.runs import Run
from jobs.task import Task
from orchestrator.analysis import standings
from orchestrator.analysis.cost import features_of
from orchestrator.analysis.leader import Leader, find_leader, settled_period
from orchestrator.analysis.load import StoredResults, nothing_yet
from orchestrator.analysis.predictions import Predictions, collect_predictions

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Scored:
    """The standings of a run at the `periods` that are shown, and their leader.

    `whose` gives the network and the seed of each trial. `predicted` are the periods that
    `predictions` holds: those shown, and that of the leader. `validation` has the answers to the
    validation images after the compared period.
    """

    whose: Mapping[str, tuple[str, int]]
    comparison: standings.Comparison
    leader: Leader | None
    periods: tuple[int, ...]
    predictions: Predictions
    validation: Predictions
    predicted: Collection[int]


def score(
    stored: StoredResults, periods: Sequence[int] = (), metric: Metric | None = None
) -> Scored:
    """The scores of what was loaded; raises `OrchError` when nothing is done yet."""
    run, trials = stored.run, stored.trials
    whose = {name: (stored.labels[name], trial.seed) for name, trial in trials.items()}
    recipes = {name: one.recipe for name, one in trials.items()}
    features = {name: one.seconds for name, one in features_of(trials, stored.trainings).items()}
    compared = standings.compare(
        run, whose, stored.epochs, stored.evaluations, metric, recipes, features
    )
    if not compared.epochs and not any(standing.tests for standing in compared.standings):
        raise OrchError(nothing_yet(stored))
    shown = tuple(sorted(set(periods) or {1, run.spec.periods}))
    period = shown[-1] if periods else settled_period(compared, awaited(run, stored.states))
    predicted = {*shown, period} if period else {*shown}
    predictions = _collected(stored, stored.predictions, compared, predicted)
    compared_at = [period or shown[-1]]
    validation = _collected(stored, stored.validation_predictions, compared, compared_at)
    if short := short_of_classes(compared.metric, predictions.classes):
        raise RequestError(f"--metric: {short}.")
    whole = standings.with_predictions(compared, predictions)
    leader = find_leader(whole, period=period) if period else None
    return Scored(whose, whole, leader, shown, predictions, validation, predicted)


def _collected(
    stored: StoredResults,
    tables: Sequence[pa.Table],
    compared: standings.Comparison,
    periods: Collection[int],
) -> Predictions:
    """The predictions of these tables after these periods of the run."""
    run = stored.run
    epochs = {
        compared.tested_at(name, run.epoch_of(period)) for name in run.trials for period in periods
    }
    classes = stored.source.classes if stored.source else ()
    return collect_predictions(tables, classes, epochs)


def awaited(run: Run, states: dict[str, str]) -> set[tuple[str, int]]:
    """Trials and periods whose test is still to come."""
    return {
        (task.subject, run.period_of(task.epoch))
        for task in map(Task.parse, run.tasks)
        if task.is_test and states[task.id] == "open"
    }
