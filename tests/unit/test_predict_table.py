"""The table of `orch predict`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
from jobs.errors import RequestError
from jobs.task import Task
from models.evaluation.predict import (
    ImagePredictions,
    LikelyClass,
    NetworkPrediction,
)
from orchestrator.analysis import trained_models
from orchestrator.terminal import prediction_csv, prediction_table


def test_a_table_that_is_piped_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the length of names and labels."""
    label, name = "a-class-with-a-very-long-name-" * 5, "timm:vit_base_patch16_clip_224." * 3
    top = tuple(LikelyClass(f"{label}{place}", 0.5) for place in range(3))
    answer = NetworkPrediction(name, top)
    models = trained_models.TrainedModels({name: [Task("train", "vit-s0", 10)]}, ())

    prediction_table.show(
        "study", None, models, [ImagePredictions(Path("a.png"), None, None, (answer,))]
    )
    row = capsys.readouterr().out.splitlines()[-1]

    assert row.startswith(name)
    assert all(f"{each.label}" in row for each in top)
    assert "…" not in row


def test_answers_are_rows_for_spreadsheets(tmp_path: Path) -> None:
    """A row for each image and network; a broken image has none; a label is no formula."""
    top = (LikelyClass("=cat()", 0.75), LikelyClass("dog", 0.25))
    answers = (NetworkPrediction("vgg16", top), NetworkPrediction("scratch", top))
    tasks = {name: [Task("train", f"{name}-s0", 10)] for name in ("vgg16", "scratch")}
    answered = [
        ImagePredictions(Path("a, b.png"), None, None, answers),
        ImagePredictions(Path("cut.png"), "not a complete image", None, ()),
    ]

    prediction_csv.write(tmp_path / "a.csv", trained_models.TrainedModels(tasks, ()), answered)
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert [row["backbone"] for row in rows] == ["vgg16", "scratch"]
    assert rows[0]["image"] == "a, b.png"
    assert (rows[0]["class_1"], float(rows[0]["confidence_1"])) == ("'=cat()", 0.75)
    assert (rows[0]["class_3"], rows[0]["label"]) == ("", "")
    with pytest.raises(RequestError, match="cannot write"):
        prediction_csv.write(tmp_path, trained_models.TrainedModels(tasks, ()), answered)
