"""The entry point of a child: checks before any training."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from jobs.data import image_folder
from jobs.errors import MissingWeights
from jobs.spec import model
from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from models import entrypoint
from models.networks import weights
from orchestrator.submission.run_creation import create_run


def test_missing_weights_are_said_before_any_training(
    tmp_path: Path, animal_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preparing the data, which all training waits for, reports missing files and their folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights.require_weights, "__kwdefaults__", {"downloads": None})
    store = Store(tmp_path / "store").open(create=True)
    asked = model.build({"backbones": ["vgg16", "scratch"], "data": str(animal_folder)})
    source = image_folder.read_folder(animal_folder)
    run = create_run(store, asked, source)
    (tmp_path / "mine").mkdir()
    order = TaskRequest(
        task=Task("prepare", run.data).id,
        store=str(store.root),
        attempt="t1",
        work_folder=str(tmp_path),
        period=0,
        device="cpu",
        threads=1,
        weights_dir=str(tmp_path / "mine"),
    )

    with pytest.raises(MissingWeights, match=r"vgg16\.pth.*mine"):
        entrypoint.main(order.as_dict(), lambda message: None, lambda: False)
    assert not (tmp_path / "images.npy").exists()
