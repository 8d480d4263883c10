"""The table of `orch predict`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
from jobs.task import Task
from models.evaluation.predict import (
    ImagePredictions,
    LikelyClass,
    NetworkPrediction,
)
from orchestrator.analysis import trained_models
from orchestrator.commands import predict as predict_command


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
