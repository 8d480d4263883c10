"""The table of `orch predict`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
from jobs.task import Task
from models.evaluation.predict import (
    ImagePredictions,
    LikelyClass,
    NetworkPrediction,
)
from orchestrator import cli
from orchestrator.analysis import trained_models
from orchestrator.commands import predict as predict_command
from orchestrator.terminal import prediction_rows


def test_a_table_that_is_piped_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the length of names and labels."""
    label, name = "a-class-with-a-very-long-name-" * 5, "timm:vit_base_patch16_clip_224." * 3
    top = tuple(LikelyClass(f"{label}{place}", 0.5) for place in range(3))
    answer = NetworkPrediction(name, top)
    models = trained_models.TrainedModels({name: [Task("train", "vit-s0", 10)]}, ())

    predict_command._show(
        "study", None, models, [ImagePredictions(Path("a.png"), None, None, (answer,))]
    )
    row = capsys.readouterr().out.splitlines()[-1]

    assert row.startswith(name)
    assert all(f"{each.label}" in row for each in top)
    assert "…" not in row


def test_a_csv_file_has_a_row_for_each_image_and_network(tmp_path: Path) -> None:
    """The next best are columns; a name that a spreadsheet would run is made harmless."""
    top = (LikelyClass("=cmd()", 0.75), LikelyClass("bär, braun", 0.25))
    answers = tuple(NetworkPrediction(name, top) for name in ("scratch", "squeezenet"))
    images = [
        ImagePredictions(Path("a b.png"), None, None, answers),
        ImagePredictions(Path("broken.png"), "cut short", None, ()),
    ]

    prediction_rows.write(str(tmp_path / "out.csv"), images)
    rows = list(csv.reader((tmp_path / "out.csv").open(encoding="utf-8", newline="")))

    assert rows == [
        ["image", "backbone", "label", "confidence", "label_2", "confidence_2"],
        ["a b.png", "scratch", "'=cmd()", "0.75", "bär, braun", "0.25"],
        ["a b.png", "squeezenet", "'=cmd()", "0.75", "bär, braun", "0.25"],
    ]


@pytest.mark.parametrize("words", [["out.csv", "--json"], ["missing/out.csv"]])
def test_a_csv_file_that_cannot_be_is_refused_before_anything_is_read(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and one line."""
    code = cli.run(["--store", str(tmp_path), "predict", "a.png", "--csv", *words])

    assert code == 2
    assert "--csv" in capsys.readouterr().err
