"""Everything a report needs, read from the store once."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import plan, settings
from jobs.data.image_folder import DataSource
from jobs.errors import DamagedFile, OrchError, RequestError
from jobs.store import records
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.store.tables import DATA_SETS, MANIFEST, read_rows, read_table
from jobs.task import Task, Trial
from orchestrator.analysis import standings
from orchestrator.analysis.leader import Leader, among, find_leader
from orchestrator.analysis.predictions import (
    COLUMNS,
    Predictions,
    TrialPredictions,
    collect_predictions,
)
from orchestrator.analysis.robustness import Robustness, measure
from orchestrator.analysis.unlearned import Learning, judge_learning

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class RunData:
    """A run and its results; `manifest`, `pixels` and `prepared` are None if missing.

    `leader` ranks the networks that learned something (see `learning`), or all if none did.
    """

    run: Run
    trials: dict[str, Trial]
    states: dict[str, str]
    failures: dict[str, dict[str, Any]]
    comparison: standings.Comparison
    leader: Leader | None
    periods: tuple[int, ...]
    predictions: Predictions
    attempts: pa.Table
    source: DataSource | None
    prepared: dict[str, Any] | None
    manifest: pa.Table | None
    pixels: np.ndarray[Any, Any] | None
    training: dict[str, dict[str, Any]]
    robustness: Robustness | None = None
    trainings: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    learning: Learning = field(default_factory=Learning)

    @property
    def period(self) -> int:
        """The period of the comparison: that of the leader, else the last one shown."""
        return self.leader.period if self.leader else self.periods[-1]

    def answers(self, backbone: str, period: int) -> list[TrialPredictions]:
        """Predictions of a backbone after a period, by seed; seeds without any are left out."""
        return [given for _, given in _answers(self, backbone, period)]

    def learned_answers(self, backbone: str, period: int) -> list[TrialPredictions]:
        """Predictions of the seeds that learned something, or of all if none did."""
        unlearned = {trial.seed for trial in self.learning.trials(backbone, period)}
        found = _answers(self, backbone, period)
        return [given for seed, given in found if seed not in unlearned] or self.answers(
            backbone, period
        )

    @property
    def learned(self) -> list[str]:
        """The backbones that had learned something after the compared period."""
        return self.learning.learned(self.comparison.backbones, self.period)

    @property
    def rivals(self) -> list[str]:
        """The backbones to compare: those that learned something, or all if none did."""
        return self.learned or list(self.comparison.backbones)

    @property
    def test_images(self) -> int:
        """Number of test images; 0 before any test."""
        totals = [test.total for standing in self.comparison.standings for test in standing.tests]
        return max(totals, default=0)

    @property
    def classes(self) -> list[str]:
        """All classes by name, from the data set and the predictions."""
        return list(self.predictions.classes)


def read_run_data(store: Store, run: Run, periods: Sequence[int] = ()) -> RunData:
    """Read all published results of a run for these `periods` (none: the first and the last).

    Raises `OrchError` when nothing is done yet, `RequestError` for a period that the run does not
    have.
    """
    _check(run, periods)
    trials = {name: store.load_trial(name) for name in run.trials}
    whose = {name: (trial.backbone, trial.seed) for name, trial in trials.items()}
    states = plan.task_states(store, run)
    failures = _failures(store, states)
    evaluations = read_rows(store.root, "evaluations", run.trials)
    compared = standings.compare(
        run, whose, read_rows(store.root, "epochs", run.trials), evaluations
    )
    if not compared.epochs and not any(standing.tests for standing in compared.standings):
        raise OrchError(_nothing_yet(store, run, states, failures))
    shown = tuple(sorted(set(periods) or {1, run.spec.periods}))
    leader = find_leader(compared, _awaited(run, states), shown[-1] if periods else None)
    needed = {*shown, leader.period} if leader else {*shown}
    source = _source(store, run)
    found = RunData(
        run=run,
        trials=trials,
        states=states,
        failures=failures,
        comparison=compared,
        leader=leader,
        periods=shown,
        predictions=_predictions(store, run, source, compared, needed),
        attempts=_attempts(store, run),
        source=source,
        prepared=store.done(Task("prepare", run.data)),
        manifest=_manifest(store.manifest_path(run.data)),
        pixels=_pixels(store.images_path(run.data)),
        training=_training(store, run),
        robustness=measure(run, compared, whose, evaluations),
        trainings=_trainings(store, run),
    )
    return _with_learning(found, needed)


def _with_learning(found: RunData, periods: Collection[int]) -> RunData:
    """The run data with trials that learned nothing, and a leader that learned something."""
    answered = {
        (backbone, period): given
        for period in periods
        for backbone in found.comparison.backbones
        if (given := _answers(found, backbone, period))
    }
    learning = judge_learning(found.predictions, answered)
    learned = learning.learned(found.comparison.backbones, found.period)
    leader = among(found.leader, learned) if found.leader else None
    return replace(found, learning=learning, leader=leader)


def _answers(found: RunData, backbone: str, period: int) -> list[tuple[int, TrialPredictions]]:
    """Seeds of a backbone with their predictions after a period."""
    epoch = found.run.epoch_of(period)
    trials = sorted(
        ((trial.seed, name) for name, trial in found.trials.items() if trial.backbone == backbone)
    )
    return [
        (seed, given)
        for seed, name in trials
        if (given := found.predictions.of(name, found.comparison.tested_at(name, epoch)))
    ]


def _failures(store: Store, states: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Failure records by task; an empty one where the record was removed meanwhile."""
    failed = [task for task, state in states.items() if state == "failed"]
    return {task: store.failed(Task.parse(task)) or {} for task in failed}


def _awaited(run: Run, states: dict[str, str]) -> set[tuple[str, int]]:
    """Trials and periods whose test is still to come."""
    return {
        (task.subject, run.period_of(task.epoch))
        for task in map(Task.parse, run.tasks)
        if task.kind == "evaluate" and not task.corruption and states[task.id] == "open"
    }


def _check(run: Run, periods: Sequence[int]) -> None:
    for period in periods:
        if not 1 <= period <= run.spec.periods:
            raise RequestError(
                f"--period {period}: the run {run.name} has periods 1 to {run.spec.periods}."
            )


def _nothing_yet(
    store: Store, run: Run, states: dict[str, str], failures: dict[str, dict[str, Any]]
) -> str:
    message = f"the run {run.name} has no results to report yet: no epoch has been published"
    if not failures:
        return (
            f"{message}. {sum(s == 'done' for s in states.values())} of {len(states)} tasks are "
            f"done. Its progress: {settings.command_line(store.root, 'status', run.name)}"
        )
    task, why = next(iter(failures.items()))
    return (
        f"{message}. {task} failed: {why.get('message', 'no reason was recorded')} Retry it with: "
        f"{settings.command_line(store.root, 'retry', run.name)}"
    )


def _predictions(
    store: Store,
    run: Run,
    source: DataSource | None,
    compared: standings.Comparison,
    periods: set[int],
) -> Predictions:
    """Predictions after these periods of the run."""
    tables = [read_rows(store.root, "predictions", [name], COLUMNS) for name in run.trials]
    epochs = {
        compared.tested_at(name, run.epoch_of(period)) for name in run.trials for period in periods
    }
    return collect_predictions(tables, source.classes if source else (), epochs)


def _attempts(store: Store, run: Run) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = read_rows(store.root, "attempts", [DATA_SETS, *run.trials])
    return found.filter(pc.is_in(found["task"], pa.array(run.tasks, pa.string())))


def _source(store: Store, run: Run) -> DataSource | None:
    try:
        return store.load_data(run.data)[0]
    except (OrchError, OSError):
        return None


def _manifest(path: Path) -> pa.Table | None:
    return read_table(path, MANIFEST) if path.exists() else None


def _pixels(path: Path) -> np.ndarray[Any, Any] | None:
    """The images as a memory map; None if missing (a store may keep only results)."""
    import numpy as np

    if not path.exists():
        return None
    try:
        found: np.ndarray[Any, Any] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise records.damaged_file(path, " ".join(str(error).split())[:120]) from None
    if found.ndim != 4 or found.shape[3] != 3 or found.dtype != np.uint8:
        raise records.damaged_file(path, f"it has {found.shape} {found.dtype}, not images")
    return found


def _training(store: Store, run: Run) -> dict[str, dict[str, Any]]:
    """Result of the latest training of each trial in this run."""
    latest: dict[str, dict[str, Any]] = {}
    for task in map(Task.parse, run.tasks):
        if task.kind == "train" and (result := store.done(task)):
            latest[task.subject] = result
    return latest


def _trainings(store: Store, run: Run) -> dict[str, dict[int, dict[str, Any]]]:
    """Results of all trainings by trial and target epoch, those of other runs included."""
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in run.trials}
    for name in run.trials:
        for epoch in store.target_epochs(name):
            with contextlib.suppress(
                DamagedFile
            ):  # of another run; those of this run are in `_training`
                if result := store.done(Task("train", name, epoch)):
                    found[name][epoch] = result
    return found
