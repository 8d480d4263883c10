"""Load what is published of a run: rows and records as they are stored, nothing computed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import plan, readiness, settings
from jobs.data.data_source import DataSource
from jobs.errors import DamagedFile, NewerRecord, OrchError, RequestError
from jobs.store import codec, decisions, other_data
from jobs.store.decisions import NONE, Decisions
from jobs.store.other_data import OtherDataRecord
from jobs.store.records import TaskFailure, TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.store.tables import DATA_SETS, MANIFEST, read_rows, read_table
from jobs.task import Task, Trial
from orchestrator.analysis.load_rankings import StoredRanking, load_rankings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PREDICTION_COLUMNS = (
    "trial",
    "epoch",
    "image",
    "label",
    "predicted",
    "confidence",
    "label_confidence",
    "label_rank",
)


@dataclass(frozen=True, slots=True, eq=False)
class StoredResults:
    """What is published of a run; `manifest`, `pixels`, `prepared`, `source` are None if missing.

    `labels` tell trials apart that differ in more than the seed: network and setting.
    `predictions` and `validation_predictions` have one table per trial. `training` has the latest
    result of each trial in this run, `trainings` all of them by target epoch, those of other runs
    included.
    """

    root: Path
    run: Run
    trials: dict[str, Trial]
    labels: dict[str, str]
    states: dict[str, str]
    failures: dict[str, TaskFailure]
    epochs: pa.Table
    evaluations: pa.Table
    predictions: tuple[pa.Table, ...]
    validation_predictions: tuple[pa.Table, ...]
    attempts: pa.Table
    source: DataSource | None
    prepared: TaskResult | None
    manifest: pa.Table | None
    pixels: np.ndarray[Any, Any] | None
    training: dict[str, TaskResult]
    trainings: dict[str, dict[int, TaskResult]]
    others: tuple[OtherDataRecord, ...]
    other_evaluations: pa.Table
    other_manifests: dict[str, pa.Table]
    benchmarks: pa.Table
    benchmark_differences: pa.Table
    rankings: tuple[StoredRanking, ...] = ()
    decisions: Decisions = NONE


def load_results(store: Store, run: Run) -> StoredResults:
    """Read each record and table of the run once; raises `DamagedFile` for one that is broken."""
    states = readiness.task_states(store, run)
    trials = {name: store.load_trial(name) for name in run.trials}
    decided = decisions.read(store, run)
    stops = decided.stopped_now
    return StoredResults(
        root=store.root,
        run=run,
        trials=trials,
        labels={name: plan.label_of(run.spec, trial) for name, trial in trials.items()},
        states=states,
        failures=_failures(store, states),
        epochs=_of_run(read_rows(store.root, "epochs", run.trials), stops),
        evaluations=_of_run(read_rows(store.root, "evaluations", run.trials), stops),
        predictions=_predictions(store, run, "predictions", stops),
        validation_predictions=_predictions(store, run, "validation_predictions", stops),
        attempts=_attempts(store, run),
        source=_source(store, run),
        prepared=store.done(Task("prepare", run.data)),
        manifest=_manifest(store.manifest_path(run.data)),
        pixels=_pixels(store.images_path(run.data)),
        training=_training(store, run),
        trainings=_trainings(store, run),
        others=tuple(other_data.recorded(store, run.name)),
        other_evaluations=read_rows(store.root, "other_evaluations", run.trials),
        other_manifests=_other_manifests(store, run),
        benchmarks=read_rows(store.root, "benchmarks", run.trials),
        benchmark_differences=read_rows(store.root, "benchmark_differences", run.trials),
        rankings=load_rankings(store, run),
        decisions=decided,
    )


def _predictions(
    store: Store, run: Run, table: str, stops: Mapping[str, int]
) -> tuple[pa.Table, ...]:
    return tuple(
        _of_run(read_rows(store.root, table, [name], PREDICTION_COLUMNS), stops)
        for name in run.trials
    )


def _of_run(rows: pa.Table, stops: Mapping[str, int]) -> pa.Table:
    """The rows without those of other runs, which trained what this run's decisions stopped."""
    if not stops:
        return rows
    import pyarrow as pa

    pairs = zip(rows["trial"].to_pylist(), rows["epoch"].to_pylist(), strict=True)
    kept = [epoch <= stops.get(trial, epoch) for trial, epoch in pairs]
    return rows.filter(pa.array(kept, pa.bool_()))


def _failures(store: Store, states: dict[str, str]) -> dict[str, TaskFailure]:
    """Failure records by task; an empty one where the record was removed meanwhile."""
    failed = [task for task, state in states.items() if state == "failed"]
    return {task: store.failed(Task.parse(task)) or TaskFailure() for task in failed}


def require_training(store: Store, run: Run) -> None:
    """Raise `RequestError` for a run that ranks networks; other runs may train its trials."""
    if run.spec.rank:
        raise RequestError(
            f"the run {run.name} ranks networks, and trains none. Its ranking: "
            f"{settings.command_line(store.root, 'rank', run.name)}"
        )


def require_periods(run: Run, periods: Sequence[int]) -> None:
    """Raise `RequestError` for a period that the run does not have."""
    for period in periods:
        if not 1 <= period <= run.spec.periods:
            raise RequestError(
                f"--period {period}: the run {run.name} has periods 1 to {run.spec.periods}."
            )


def nothing_yet(stored: StoredResults) -> str:
    """Why there is nothing to report, and what to do."""
    run, states, failures = stored.run, stored.states, stored.failures
    message = f"the run {run.name} has no results to report yet: no epoch has been published"
    if not failures:
        return (
            f"{message}. {sum(s == 'done' for s in states.values())} of {len(states)} tasks are "
            f"done. Its progress: {settings.command_line(stored.root, 'status', run.name)}"
        )
    task, why = next(iter(failures.items()))
    return (
        f"{message}. {task} failed: {why.message or 'no reason was recorded'} Retry it with: "
        f"{settings.command_line(stored.root, 'retry', run.name)}"
    )


def _attempts(store: Store, run: Run) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    attempts = read_rows(store.root, "attempts", [DATA_SETS, *run.trials])
    return attempts.filter(pc.is_in(attempts["task"], pa.array(run.tasks, pa.string())))


def _source(store: Store, run: Run) -> DataSource | None:
    try:
        return store.load_data(run.data)[0]
    except NewerRecord:
        raise
    except (OrchError, OSError):
        return None


def _manifest(path: Path) -> pa.Table | None:
    return read_table(path, MANIFEST) if path.exists() else None


def _other_manifests(store: Store, run: Run) -> dict[str, pa.Table]:
    """The manifests of the other data that its networks are evaluated on."""
    names = (name for name in run.all_data_sets if name not in run.data_sets)
    read = ((name, _manifest(store.manifest_path(name))) for name in names)
    return {name: table for name, table in read if table is not None}


def _pixels(path: Path) -> np.ndarray[Any, Any] | None:
    """The images as a memory map; None if missing (a store may keep only results)."""
    import numpy as np

    if not path.exists():
        return None
    try:
        pixels: np.ndarray[Any, Any] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise codec.damaged_file(path, " ".join(str(error).split())[:120]) from None
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise codec.damaged_file(path, f"it has {pixels.shape} {pixels.dtype}, not images")
    return pixels


def _training(store: Store, run: Run) -> dict[str, TaskResult]:
    """Result of the latest training of each trial in this run."""
    latest: dict[str, TaskResult] = {}
    for task in map(Task.parse, run.tasks):
        if task.kind == "train" and (result := store.done(task)):
            latest[task.subject] = result
    return latest


def _trainings(store: Store, run: Run) -> dict[str, dict[int, TaskResult]]:
    """Results of all trainings by trial and target epoch, those of other runs included."""
    trainings: dict[str, dict[int, TaskResult]] = {name: {} for name in run.trials}
    for name in run.trials:
        for epoch in store.target_epochs(name):
            with contextlib.suppress(
                DamagedFile
            ):  # of another run; those of this run are in `_training`
                if result := store.done(Task("train", name, epoch)):
                    trainings[name][epoch] = result
    return trainings
