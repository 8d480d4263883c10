"""A dry run: what each task would become, what it takes, what it could show; nothing is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.command_lines import ROOT
from support.fakes import fill_store
from support.half_done import half_done_run
from support.refusals import listing

from jobs import atomic
from jobs.settings import Settings
from jobs.spec.model import Spec
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.planning import forecast, words
from orchestrator.planning.forecast import Forecast
from orchestrator.preflight import Request

PAGE = ROOT / "docs" / "planning.md"


def told(store: Store, spec: Spec, data: str, workers: int = 1) -> Forecast:
    """The forecast of a specification on the recorded source of a data set."""
    request = Request(spec, store.load_data(data)[0], None)
    return forecast.forecast(request, Settings(store.root, None, None), workers, "cpu")


def states(made: Forecast) -> dict[str, str]:
    """The state of each task."""
    return {task.task: task.state for task in made.tasks}


def checkpoint(store: Store, trial: str, epoch: int, size: int) -> None:
    """A checkpoint as a training leaves it."""
    folder = store.checkpoints_folder(trial)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"e{epoch:04d}-t000001.pt").write_bytes(b"x" * size)
    record = {"sha256": "0" * 64, "bytes": size, "epoch": epoch}
    atomic.write_json(folder / f"e{epoch:04d}-t000001.json", record)


def test_each_task_is_done_by_a_run_resumes_or_is_new(tmp_path: Path) -> None:
    """The first period is done; the second resumes within itself, from the newest checkpoint."""
    store, run = half_done_run(tmp_path)
    trial, other = run.trials
    checkpoint(store, trial, 3, 1000)

    made = told(store, run.spec, run.data)
    by_id = {task.task: task for task in made.tasks}

    assert list(by_id) == list(run.tasks)
    assert by_id[f"train.{trial}.0002"].run == run.name
    resumed = by_id[f"train.{trial}.0004"]
    assert (resumed.state, resumed.from_epoch, resumed.epochs) == ("resumes", 3, 1)
    assert by_id[f"train.{other}.0004"].from_epoch == 2
    assert by_id[f"evaluate.{other}.0004"].state == "new"
    assert made.states == {"new": 2, "resumes": 2, "done": 5, "failed": 0}


def test_a_new_trial_is_compared_key_by_key_with_the_nearest(tmp_path: Path) -> None:
    """The trial with the fewest differences is named, and only what differs is shown."""
    store, run = fill_store(tmp_path, backbones=["scratch"], periods=1, pixels=False)
    spec = run.spec.model_copy(update={"learning_rate": 0.01, "seeds": 2})

    made = told(store, spec, run.data)
    near = [made.near[trial.name] for trial in made.trials]

    assert [one and one.trial for one in near] == [run.trials[0]] * 2
    assert [str(each) for one in near if one for each in one.differences] == [
        "learning_rate 0.001 -> 0.01",
        "learning_rate 0.001 -> 0.01",
        "seed 0 -> 1",
    ]
    shown = "\n".join(words.lines(made))
    assert f"new (nearest {run.trials[0]}: learning_rate 0.001 -> 0.01)" in shown


def test_another_size_names_the_setting_of_the_data_set(tmp_path: Path) -> None:
    """A data set that is new says what differs from that of the same source."""
    store, run = fill_store(tmp_path, backbones=["scratch"], periods=1, pixels=False)
    spec = run.spec.model_copy(update={"image_size": 96})

    made = told(store, spec, run.data)

    assert made.tasks[0].why == f"nearest {run.data}: data.image_size 64 -> 96"
    assert made.estimate.data_bytes == made.images.total * 96 * 96 * 3


def test_a_failed_task_is_not_called_new(tmp_path: Path) -> None:
    """Submitting again does not repeat it."""
    failed = "train.scratch-s0"
    store, run = fill_store(tmp_path / "a", backbones=["scratch"], periods=1, pixels=False)
    task = Task("evaluate", run.trials[0], 2)
    store.done_path(task).unlink()
    atomic.write_json(store.failed_path(task), {"failure": "bug", "message": failed})

    made = told(store, run.spec, run.data)

    assert states(made)[task.id] == "failed"


def test_time_and_disk_come_from_measurements_alone(tmp_path: Path) -> None:
    """Rate of the device, seconds of evaluations, bytes of a checkpoint: by hand."""
    store, run = half_done_run(tmp_path)
    unmeasured = told(store, run.spec, run.data)
    host = forecast.workers.gethostname()
    rates = {"scratch@64x1": 50.0, "resnet34@64x1": 10.0, "format": 1}
    atomic.write_json(store.pace_path(host, "cpu"), rates)
    for name in run.trials:
        checkpoint(store, name, 2, 7000)

    made = told(store, run.spec, run.data, workers=2)

    images, each = made.images, 3.3 / made.images.test
    looking = each * (2 * images.validation + images.test)
    slow = 2 * images.train / 10 + looking
    assert made.estimate.finish_s == pytest.approx(slow)
    assert made.estimate.work_s == pytest.approx(slow + 2 * images.train / 50 + looking)
    assert made.estimate.checkpoint_bytes == 2 * 7000
    assert made.estimate.not_measured == ()
    assert "training scratch at 64 px on these workers" in unmeasured.estimate.not_measured
    assert unmeasured.estimate.checkpoint_bytes is None


def test_nothing_measured_is_unknown_and_not_a_number(tmp_path: Path) -> None:
    """An empty store has no time to tell."""
    store, run = fill_store(
        tmp_path, backbones=["scratch"], pixels=False, finished=lambda task: False
    )

    made = told(store, run.spec, run.data)

    assert made.estimate.finish_s is None
    assert made.estimate.work_s is None
    assert "time: unknown" in list(words.lines(made))


def test_the_disagreement_is_measured_where_predictions_are_stored(tmp_path: Path) -> None:
    """On the same data set, else assumed, and said so."""
    store, run = fill_store(
        tmp_path, backbones=["scratch", "resnet34"], seeds=2, periods=1, pixels=False
    )
    spec = run.spec.model_copy(update={"learning_rate": 0.01})

    measured = told(store, spec, run.data).as_dict()["power"]
    other, known = fill_store(
        tmp_path / "b", backbones=["scratch", "vgg16"], pixels=False, finished=lambda task: False
    )
    assumed = told(other, known.spec, known.data).as_dict()["power"]

    assert measured["disagreement_from"] == f"measured on {run.data}"
    assert 0 < measured["noise"] <= measured["disagreement"] < 1
    assert measured["noise_from"] == "measured between seeds"
    assert (assumed["disagreement"], assumed["disagreement_from"]) == (0.1, "assumed")


def test_over_splits_it_says_what_stays_invisible_and_what_cannot_be_told(tmp_path: Path) -> None:
    """By the corrected resampled t-test, with the images of one split."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "vgg16"],
        pixels=False,
        finished=lambda task: False,
        recipe={"splits": 3},
    )
    made = told(store, run.spec, run.data)
    power, images = made.as_dict()["power"], made.images
    (line,) = (each for each in words.lines(made) if "invisible;" in each)
    (doubt,) = (each for each in words.lines(made) if "cannot be told" in each)

    assert (power["splits"], power["test_images"]) == (3, images.test)
    assert f"{images.test} test images in each of 3 splits, 1 pair(s), 1 seed: differences" in line
    assert "images a split" in line
    assert "before training" in doubt


def photographs(where: Path) -> Path:
    """Two classes of ten images, and a table of their labels beside them."""
    rows = ["path,label"]
    for place in range(20):
        label = ("ape", "bear")[place % 2]
        path = where / label / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (9 * place, 90, 30)).save(path)
        rows.append(f"{label}/{place}.png,{label}")
    (where.parent / "labels.csv").write_text("\n".join(rows) + "\n")
    return where


@pytest.mark.parametrize("source", ["digits-800", "photographs", "labels.csv"])
def test_nothing_is_written_whatever_the_data(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """Neither a store, where there is none, nor a byte or a time in one that exists."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCH_BROKER_URL", raising=False)
    photographs(tmp_path / "photographs")
    where = ["--images", "photographs"] if source == "labels.csv" else []
    asked = ["submit", "--backbone", "scratch", "--backbone", "squeezenet", "--weights", "none"]
    asked += ["--data", source, *where, "--image-size", "32", "--dry-run", "--json"]
    fill_store(tmp_path / "store", backbones=["scratch"], periods=1)
    before = listing(tmp_path)

    codes = [cli.run(["--store", name, *asked]) for name in ("none", "store")]
    documents = capsys.readouterr().out

    assert codes == [0, 0]
    assert listing(tmp_path) == before
    total = json.loads(documents[: documents.index("\n}\n") + 3])["images"]["total"]
    assert total == (800 if source == "digits-800" else 20)


def test_wrong_input_is_refused_as_without_the_dry_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checks are those of a submission; waiting for nothing is refused too."""
    common = ["--store", str(tmp_path / "none"), "submit", "--backbone", "scratch", "--dry-run"]

    codes = [cli.run([*common, "--data", str(tmp_path / "no")]), cli.run([*common, "--wait"])]
    said = capsys.readouterr().err

    assert codes == [2, 2]
    assert "does not exist" in said
    assert "leave out --wait" in said
    assert listing(tmp_path) == {}


def test_every_key_of_the_document_is_on_the_page(tmp_path: Path) -> None:
    """docs/planning.md names each key that `--json` prints."""
    store, run = fill_store(tmp_path, backbones=["scratch", "vgg16"], periods=1, pixels=False)
    spec = run.spec.model_copy(update={"learning_rate": 0.01})
    document = json.loads(json.dumps(told(store, spec, run.data).as_dict()))
    named = set(re.findall(r"`(\w+)`", PAGE.read_text()))

    assert set(keys_of(document)) - named == set()


def keys_of(value: Any) -> list[str]:
    """All keys in a document, at any depth."""
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in keys_of(inner))]
    return [key for inner in value for key in keys_of(inner)] if isinstance(value, list) else []


def test_a_controller_without_numpy_is_told_all_but_the_power(tmp_path: Path) -> None:
    """As where the wheel alone is installed."""
    words = "submit --dry-run --json --data digits --image-size 64 --all-backbones --no-workers"
    code = (
        "import sys; sys.modules |= dict.fromkeys(('numpy', 'scipy', 'torch'));"
        f"from orchestrator import cli; sys.exit(cli.run({words.split()!r}))"
    )
    made = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ORCH_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["power"] is None
    assert len(json.loads(made.stdout)["tasks"]) > 7
