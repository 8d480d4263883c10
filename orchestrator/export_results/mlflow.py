"""Write histories as an MLflow experiment in a database file, with MLflow's own client."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.export_results.history import Point, TrialHistory

DATABASE = "mlflow.db"
MAX_METRICS = 1000
"""Maximum metrics of one MLflow call."""


def write(histories: Sequence[TrialHistory], experiment: str, out: Path) -> None:
    """One MLflow run per trial, in the experiment of that name in `out`/mlflow.db.

    Exporting again adds only what is new.
    """
    client = _client(out)
    for history in histories:
        _write(client, _experiment(client, experiment, out), history)


def _client(out: Path) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    # Set after the import, because importing MLflow sets its own log level.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)

    out.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=f"sqlite:///{(out / DATABASE).absolute()}")


def _experiment(client: Any, name: str, out: Path) -> str:
    known = client.get_experiment_by_name(name)
    return str(
        known.experiment_id
        if known
        else client.create_experiment(
            name, artifact_location=(out / "artifacts").absolute().as_uri()
        )
    )


def _write(client: Any, experiment: str, history: TrialHistory) -> None:
    from mlflow.entities import Param

    known = client.search_runs([experiment], f"tags.`orch.trial` = '{history.trial}'")
    run = (
        known[0]
        if known
        else client.create_run(
            experiment,
            start_time=round(1000 * history.began),
            tags=history.tags,
            run_name=history.trial,
        )
    )
    params = [Param(key, str(value)) for key, value in history.settings.items()]
    client.log_batch(run.info.run_id, params=params)
    for start in range(0, len(history.points), MAX_METRICS):
        some = history.points[start : start + MAX_METRICS]
        client.log_batch(run.info.run_id, metrics=[_metric(point) for point in some])
    if history.finished:
        client.set_terminated(run.info.run_id, "FINISHED", end_time=round(1000 * history.ended))


def _metric(point: Point) -> Any:
    from mlflow.entities import Metric

    return Metric(point.series, point.value, round(1000 * point.at), point.epoch)
