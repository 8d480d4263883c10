"""A trial trained again with kills: real children, the same weights, the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory

from jobs import atomic
from jobs.data import sources
from jobs.errors import StoreUnusable
from jobs.spec import model
from jobs.spec.networks import STUDY
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.submission.run_creation import create_run
from orchestrator.verification import done_of
from workers.devices.discovery import NoSuchDevice
from workers.replay import replay_trial

RECIPE: dict[str, Any] = {"batch_size": 4, "learning_rate": 0.01}
COLOURS = {key: STUDY.model_dump()[key] for key in STUDY.model_dump() if key != "image_size"}
OWN = """
import torch


class Small(torch.nn.Linear):
    def forward(self, images):
        return super().forward(images.mean((2, 3)))


def make(num_classes):
    return Small(3, num_classes)
"""


@pytest.fixture
def laboratory(animal_folder: Path, tmp_path: Path) -> Laboratory:
    """A store whose data set is prepared at 32 pixels."""
    made = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    made.prepare()
    return made


@pytest.fixture
def trial(laboratory: Laboratory) -> str:
    """A trial trained for two epochs; both are target epochs."""
    name = laboratory.trial("squeezenet", [1, 2], **RECIPE)
    laboratory.train(name, 1)
    laboratory.train(name, 2)
    return name


@pytest.mark.long
def test_a_trial_killed_at_random_points_ends_with_the_same_weights_and_rows(
    laboratory: Laboratory, trial: str
) -> None:
    """Children die by SIGKILL. The store is unchanged and the replay's folder is removed."""
    heard: list[dict[str, Any]] = []
    before = {
        path: path.stat().st_mtime_ns for path in laboratory.store.root.rglob("*") if path.is_file()
    }
    verdict = replay_trial(
        laboratory.store, trial, kills=2, seed=9, weights_dir=None, tell=heard.append
    )
    after = {
        path: path.stat().st_mtime_ns for path in laboratory.store.root.rglob("*") if path.is_file()
    }

    assert (verdict.trial, verdict.epoch, verdict.kills) == (trial, 2, 2)
    assert verdict.same_weights
    assert verdict.same_rows
    assert [told["done"] for told in heard if told["phase"] == "killed"] == [1, 2]
    assert after == before
    assert list(laboratory.store.root.glob(".replay-*")) == []


def test_an_own_file_and_own_weights_are_replayed_after_they_were_deleted(
    animal_folder: Path, tmp_path: Path
) -> None:
    """The copies in the store count, whatever became of the files."""
    import torch

    net, weights = tmp_path / "nets.py", tmp_path / "mine.pth"
    net.write_text(OWN)
    torch.save(torch.nn.Linear(3, 5).state_dict(), weights)
    entry = {"name": f"{net}:make", "weights": str(weights), "image_size": 32}
    asked = {"backbones": [entry], "data": str(animal_folder), **RECIPE, **COLOURS}
    spec = model.build(asked | {"periods": 1, "epochs_per_period": 1})
    store = Store(tmp_path / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    lab = Laboratory(store, run.data)
    lab.prepare()
    lab.train(run.trials[0], 1)
    net.unlink()
    weights.unlink()
    verdict = replay_trial(store, run.trials[0], kills=0, seed=0, weights_dir=None)

    assert verdict.same_weights
    assert verdict.same_rows


def test_threads_and_device_are_those_on_record(laboratory: Laboratory, trial: str) -> None:
    """A trial of another kind of device is not replayed here, nor one that was never trained."""
    path = laboratory.store.trial_folder(trial) / "numerics.json"
    atomic.write_json(path, json.loads(path.read_text()) | {"device": "cuda"})
    with pytest.raises(NoSuchDevice, match="was trained on cuda, and no free one was found"):
        replay_trial(laboratory.store, trial, kills=0, seed=0, weights_dir=None)
    with pytest.raises(StoreUnusable, match="nothing of the trial"):
        replay_trial(
            laboratory.store,
            laboratory.trial("squeezenet", [1], seed=5),
            kills=0,
            seed=0,
            weights_dir=None,
        )


def test_verify_tells_other_weights_and_other_rows_apart(
    laboratory: Laboratory, trial: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The check must be able to fail: the cheapest trial is replayed, and the exit code is 1."""
    store = laboratory.store
    save_run_of(laboratory, trial, tmp_path / "animals")
    falsify(store, trial)
    code = cli.run(["--store", str(store.root), "verify", "small", "--replay", "--kills", "0"])
    told = capsys.readouterr()

    assert code == 1
    assert "all checksums match" in told.out
    assert (
        f"{trial} trained again up to epoch 2, killed 0 time(s): weights and rows differ"
        in told.out
    )
    assert f"replaying {trial} with 0 kill(s), seed 0" in told.err


def save_run_of(laboratory: Laboratory, trial: str, images: Path) -> None:
    """Record a run named `small` of one trial."""
    asked = model.build(
        {
            "data": str(images),
            "backbones": ["squeezenet"],
            "periods": 2,
            "epochs_per_period": 1,
        }
    )
    tasks = (f"prepare.{laboratory.data}.0000", Task("train", trial, 2).id)
    laboratory.store.save_run(Run("small", asked, laboratory.data, (trial,), tasks, 0.0, {}))


def falsify(store: Store, trial: str) -> None:
    """Publish another digest of the weights, and another validation loss of the first epoch."""
    done = store.done_path(Task("train", trial, 2))
    atomic.write_json(done, json.loads(done.read_text()) | {"weights_digest": "0" * 64})
    path = store.root / tables.table_folder("epochs", trial) / "epochs-0001-0001.parquet"
    (row,) = tables.read_files([path])
    tables.write_table(
        path, tables.build_table("epochs", [row | {"val_loss": row["val_loss"] + 1e-9}])
    )
    first = store.done_path(Task("train", trial, 1))
    claimed = {
        "path": path.relative_to(store.root).as_posix(),
        "sha256": atomic.file_digest(path),
        "bytes": path.stat().st_size,
    }
    atomic.write_json(first, json.loads(first.read_text()) | {"files": [claimed]})


def test_progress_is_counted_in_epochs() -> None:
    """Half of the third epoch's images is 2.5 epochs; validation is the end of an epoch."""
    training = {"phase": "train", "done": 20, "total": 40, "epoch": 3, "epochs": 10}

    assert done_of(training) == (2.5, 10)
    assert done_of(training | {"phase": "validate", "done": 1}) == (3.0, 10)
    assert done_of({"phase": "load"}) is None
