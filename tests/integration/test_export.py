"""The export equals the tables, as read by the other program's own reader."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import json_page
from support.fakes import SUBMITTED_AT, fill_store

from jobs.errors import OrchError
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.export_results import history


@pytest.fixture
def study(tmp_path: Path) -> tuple[Store, Run]:
    """Two networks of two seeds over two periods of two epochs."""
    return fill_store(
        tmp_path / "store",
        backbones=["scratch", "resnet34"],
        classes=("ape", "bear"),
        seeds=2,
        periods=2,
        pixels=False,
        name="study",
    )


def ended(store: Store, task: Task, at: float) -> None:
    """Record an attempt that was done at that time, a minute after it began."""
    path = store.root / tables.table_folder("attempts", task.subject) / f"{task.id}-0001.parquet"
    (row,) = tables.read_files([path])
    row["started_at"] = datetime.fromtimestamp(at, UTC) - timedelta(seconds=60)
    tables.write_table(
        path,
        tables.build_table("attempts", [row | {"finished_at": datetime.fromtimestamp(at, UTC)}]),
    )


def of_trial(store: Store, run: Run, trial: str) -> history.TrialHistory:
    """The history of one trial."""
    return next(each for each in history.histories(store, run) if each.trial == trial)


def test_every_number_of_every_epoch_and_test_is_a_point(study: tuple[Store, Run]) -> None:
    """Six series of four epochs, four of two tests, with the values of the tables."""
    store, run = study
    trial = run.trials[0]
    points = {(p.series, p.epoch): p.value for p in of_trial(store, run, trial).points}
    rows = tables.read_rows(store.root, "epochs", [trial]).to_pylist()
    tests = tables.read_rows(store.root, "evaluations", [trial]).to_pylist()

    assert len(points) == 6 * 4 + 4 * 2
    for row in rows:
        assert points["loss/validation", row["epoch"]] == row["val_loss"]
    for row in tests:
        assert points["accuracy/test", row["epoch"]] == row["accuracy"]


def test_times_count_back_from_the_end_of_the_attempt(study: tuple[Store, Run]) -> None:
    """A period's last epoch ended with its attempt, the one before it earlier by the last one's
    seconds.
    """
    store, run = study
    trial = run.trials[0]
    for kind, epoch, at in (("train", 2, 5000), ("train", 4, 9000), ("evaluate", 4, 9100)):
        ended(store, Task.parse(f"{kind}.{trial}.{epoch:04d}"), SUBMITTED_AT + at)
    seconds = {
        row["epoch"]: row["seconds"]
        for row in tables.read_rows(store.root, "epochs", [trial]).to_pylist()
    }

    at = {(p.series, p.epoch): p.at - SUBMITTED_AT for p in of_trial(store, run, trial).points}

    assert at["loss/train", 2] == pytest.approx(5000)
    assert at["loss/train", 1] == pytest.approx(5000 - seconds[2])
    assert at["loss/train", 4] == pytest.approx(9000)
    assert at["loss/train", 3] == pytest.approx(9000 - seconds[4])
    assert at["accuracy/test", 4] == pytest.approx(9100)


def test_settings_and_tags_say_what_was_trained(study: tuple[Store, Run]) -> None:
    """The recipe, the backbone and the seed; the run, the trial and who made it."""
    store, run = study
    found = of_trial(store, run, run.trials[0])

    assert found.settings["learning_rate"] == 0.001
    assert (found.settings["backbone"], found.settings["seed"]) == ("resnet34", 0)
    assert found.tags["orch.run"] == "study"
    assert found.tags["orch.host"] == "alpha"
    assert found.finished


def test_a_run_without_numbers_is_not_exported(tmp_path: Path) -> None:
    """The message says so, and where to look."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], classes=("a", "b"), finished=lambda task: False
    )

    with pytest.raises(OrchError, match=r"orch --store .* status"):
        history.histories(store, run)


def test_tensorboard_reads_what_was_written(
    study: tuple[Store, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own event accumulator finds every point once, after a second export too; its own plugin
    the settings.
    """
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra 'tensorboard')")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    store, run = study
    words = ["tensorboard", "study", "--out", str(tmp_path / "tb"), "--json"]
    codes = [cli.run(["--store", str(store.root), "export", *words]) for _ in range(2)]
    told = json.loads(capsys.readouterr().out.split("}\n{")[0] + "}")

    assert codes == [0, 0]
    assert told["points"] == 4 * 32
    for trial in run.trials:
        found = EventAccumulator(str(tmp_path / "tb" / trial)).Reload()
        wanted = of_trial(store, run, trial)
        read, settings = tensorboard_points(found), tensorboard_settings(found)

        assert len(found.Tensors("loss/train")) == 4
        assert read.keys() == {(p.series, p.epoch) for p in wanted.points}
        for point in wanted.points:
            assert read[point.series, point.epoch] == pytest.approx(
                (point.value, point.at), rel=1e-6
            )
        assert settings["backbone"].string_value == store.load_trial(trial).backbone
        assert settings["learning_rate"].number_value == 0.001


def tensorboard_points(log: Any) -> dict[tuple[str, int], tuple[float, float]]:
    """Value and time of every point in an event log, by series and step."""
    from tensorboard.util.tensor_util import make_ndarray

    return {
        (series, event.step): (float(make_ndarray(event.tensor_proto)), event.wall_time)
        for series in log.Tags()["tensors"]
        if not series.startswith("_hparams_")
        for event in log.Tensors(series)
    }


def tensorboard_settings(log: Any) -> Any:
    """The settings in an event log, as the hparams plugin reads them."""
    from tensorboard.plugins.hparams import metadata

    content = log.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    return metadata.parse_session_start_info_plugin_data(content).hparams


def mlflow_runs(out: Path, experiment: str) -> tuple[Any, dict[str, Any]]:
    """MLflow's client on an export, and its runs by name."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow.db'}")
    known = client.get_experiment_by_name(experiment)
    assert known is not None
    return client, {run.info.run_name: run for run in client.search_runs([known.experiment_id])}


def mlflow_points(client: Any, run: Any) -> dict[tuple[str, int], tuple[float, int]]:
    """Value and time of every point of a run, by series and step."""
    return {
        (series, metric.step): (metric.value, metric.timestamp)
        for series in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, series)
    }


def test_mlflow_reads_what_was_written(
    study: tuple[Store, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own client finds every trial, parameter, tag and point once, after a first export in
    mid-training too.
    """
    for name in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'mlflow')")
    from orchestrator.export_results import mlflow

    store, run = study
    half = [
        replace(each, points=each.points[:9], finished=False)
        for each in history.histories(store, run)
    ]
    mlflow.write(half, "study", tmp_path / "ml")
    before = mlflow_runs(tmp_path / "ml", "study")[1]
    words = ["--store", str(store.root), "export", "mlflow", "--out", str(tmp_path / "ml")]
    codes = [cli.run([*words, "--json"])]
    json_page.assert_documented("orch export mlflow", json.loads(capsys.readouterr().out))
    codes.append(cli.run(words))
    said = capsys.readouterr()
    client, runs = mlflow_runs(tmp_path / "ml", "study")

    assert codes == [0, 0]
    assert "mlflow ui --backend-store-uri sqlite:///" in said.out
    assert said.err == ""
    assert set(runs) == set(before) == set(run.trials)
    for trial, found in runs.items():
        wanted = of_trial(store, run, trial)
        assert found.data.params == {key: str(value) for key, value in wanted.settings.items()}
        assert wanted.tags.items() <= found.data.tags.items()
        assert (before[trial].info.status, found.info.status) == ("RUNNING", "FINISHED")
        assert before[trial].info.run_id == found.info.run_id
        read = mlflow_points(client, found)
        assert len(client.get_metric_history(found.info.run_id, "loss/train")) == 4
        assert read == {(p.series, p.epoch): (p.value, round(1000 * p.at)) for p in wanted.points}


@pytest.mark.parametrize("program", ["tensorboard", "mlflow"])
def test_a_folder_that_cannot_be_made_is_refused(
    study: tuple[Store, Run], program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line, exit code 2."""
    pytest.importorskip(program, reason=f"{program} is not installed (extra '{program}')")
    store, _ = study
    (tmp_path / "file").write_text("")

    code = cli.run(
        ["--store", str(store.root), "export", program, "--out", str(tmp_path / "file" / "x")]
    )
    said = capsys.readouterr().err

    assert code == 2
    assert "cannot write to" in said
    assert len(said.splitlines()) == 1
