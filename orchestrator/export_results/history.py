"""The history of a run for export: settings of each trial, and its numbers over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from jobs import plan, settings
from jobs.errors import OrchError
from jobs.spec.setting import told, value_told
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, Trial
from orchestrator.analysis.load import require_training

OF_EPOCHS = {
    "loss/train": "train_loss",
    "loss/validation": "val_loss",
    "accuracy/validation": "val_accuracy",
    "learning_rate": "learning_rate",
    "seconds/epoch": "seconds",
    "images_per_second": "images_per_second",
}
OF_TESTS = {
    "loss/test": "loss",
    "accuracy/test": "accuracy",
    "correct/test": "correct",
    "seconds/test": "seconds",
}
"""Names of series, and their columns in `epochs` and `evaluations`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series, at an epoch (from 1) and a Unix time (seconds)."""

    series: str
    epoch: int
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class TrialHistory:
    """One trial: settings, tags, and its points in order of time."""

    trial: str
    began: float
    ended: float
    finished: bool
    settings: dict[str, str | int | float | bool]
    tags: dict[str, str]
    points: tuple[Point, ...]


def histories(store: Store, run: Run) -> list[TrialHistory]:
    """All trials of the run that have numbers, up to the run's last epoch.

    Raises `OrchError` if there are none. A row holds only a duration. Its end time is counted back
    from the end of the attempt that finished its period.
    """
    require_training(store, run)
    all_histories = [_history(store, run, store.load_trial(name)) for name in run.trials]
    with_points = [history for history in all_histories if history.points]
    if not with_points:
        raise OrchError(
            f"the run {run.name} has no results to export yet. Its progress: "
            f"{settings.command_line(store.root, 'status', run.name)}"
        )
    return with_points


def _history(store: Store, run: Run, trial: Trial) -> TrialHistory:
    attempts = tables.read_rows(store.root, "attempts", [trial.name]).to_pylist()
    ended = {
        row["task"]: row["finished_at"].timestamp() for row in attempts if row["state"] == "done"
    }
    began = min((row["started_at"].timestamp() for row in attempts), default=run.submitted_at)
    rows = _sorted(store, "epochs", trial.name, run)
    times = _times(rows, store.target_epochs(trial.name), trial.name, ended, began)
    points = [
        Point(series, row["epoch"], row[column], times[row["epoch"]])
        for row in rows
        for series, column in OF_EPOCHS.items()
        if row[column] is not None
    ]
    points += _tests(
        _sorted(store, "evaluations", trial.name, run), trial.name, ended, times, began
    )
    points.sort(key=lambda point: (point.at, point.epoch, point.series))
    tasks = [Task.parse(task) for task in run.tasks]
    finished = all(store.is_done(task) for task in tasks if task.subject == trial.name)
    tags = {
        "orch.run": run.name,
        "orch.trial": trial.name,
        "orch.data": trial.data,
        "backbone": trial.backbone,
    }
    if setting := plan.setting_of(run.spec, trial):
        tags["orch.setting"] = told(setting)
    return TrialHistory(
        trial.name,
        began,
        max((point.at for point in points), default=began),
        finished,
        _settings(run, trial),
        tags | _provenance(run.provenance),
        tuple(points),
    )


def _sorted(store: Store, table: str, trial: str, run: Run) -> list[dict[str, Any]]:
    """Rows of a trial in order of epochs, without duplicates, up to the last epoch of the run."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in tables.read_rows(store.root, table, [trial]).to_pylist():
        if row["epoch"] <= run.spec.epochs:
            rows.setdefault((row["epoch"], row.get("corruption"), row.get("severity")), row)
    return sorted(rows.values(), key=lambda row: row["epoch"])


def _times(
    rows: Sequence[dict[str, Any]],
    target_epochs: Sequence[int],
    trial: str,
    ended: dict[str, float],
    began: float,
) -> dict[int, float]:
    """End of each epoch (Unix time): counted back from its attempt's end, else on from the last."""
    times: dict[int, float] = {}
    for before, epoch in pairwise([0, *target_epochs, *([rows[-1]["epoch"]] if rows else [])]):
        inside = [row for row in rows if before < row["epoch"] <= epoch]
        lengths = [row["seconds"] or 0.0 for row in inside]
        started = times.get(before, began)
        end = ended.get(Task("train", trial, epoch).id, started + sum(lengths))
        for number, row in enumerate(inside, 1):
            times[row["epoch"]] = end - sum(lengths[number:])
    return times


def _tests(
    rows: Sequence[dict[str, Any]],
    trial: str,
    ended: dict[str, float],
    times: dict[int, float],
    began: float,
) -> Iterator[Point]:
    """Points of evaluations; corrupted ones are separate series, such as `accuracy/test/blur-3`."""
    for row in rows:
        corruption = (
            "" if row["corruption"] in (None, "none") else f"{row['corruption']}-{row['severity']}"
        )
        task = f"evaluate.{trial}.{row['epoch']:04d}{'.' if corruption else ''}{corruption}"
        at = ended.get(task, times.get(row["epoch"], began))
        for series, column in OF_TESTS.items():
            if row[column] is not None:
                yield Point(
                    f"{series}/{corruption}" if corruption else series,
                    row["epoch"],
                    float(row[column]),
                    at,
                )


def _settings(run: Run, trial: Trial) -> dict[str, str | int | float | bool]:
    recipe = {
        key: value_told(value) if isinstance(value, list) else value
        for key, value in trial.recipe.model_dump(mode="json").items()
        if value is not None
    }
    return {
        "backbone": trial.backbone,
        "seed": trial.seed,
        "weights": trial.weights,
        "data": trial.data,
        "image_size": run.spec.preparation_of(trial.backbone).image_size,
        **recipe,
    }


def _provenance(values: dict[str, Any], prefix: str = "orch.") -> dict[str, str]:
    """Provenance, flattened: `orch.git.commit` and so on; unknown values are left out."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _provenance(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat
