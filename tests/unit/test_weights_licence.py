"""The licence of pretrained weights is that which their library states, without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
pytest.importorskip("timm", reason="timm is not installed (extra 'timm')")

from support.fakes import fill_store

from jobs.spec.model import Recipe
from jobs.task import Trial, TrialNetwork
from models.networks import licences
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.run_data import read_run_data

LITE0 = "timm:tf_efficientnet_lite0"
COLOURS = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_a_training_records_what_timm_states_and_nothing_else() -> None:
    """None for random values, a file of one's own, and torchvision, which states none."""
    trial = Trial("data", LITE0, "imagenet", Recipe(), 0)
    own = TrialNetwork(*COLOURS, weights="0" * 64 + ".pth")

    assert licences.of_trial(trial) == "apache-2.0"
    assert licences.of_trial(replace(trial, weights="none")) is None
    assert licences.of_trial(replace(trial, network=own)) is None
    assert licences.of_trial(replace(trial, backbone="torchvision:resnet18")) is None
    assert licences.of_trial(replace(trial, backbone="resnet34")) is None


def test_the_report_shows_what_the_training_recorded(tmp_path: Path) -> None:
    """Without a benchmark; what older trainings did not record stays unknown."""
    store, run = fill_store(
        tmp_path / "store", backbones=["resnet34", "vgg16"], periods=1, pixels=False, name="study"
    )
    run_data = read_run_data(store, run)
    first = next(name for name, trial in run_data.trials.items() if trial.backbone == "vgg16")
    result = msgspec.structs.replace(run_data.training[first], weights_licence="apache-2.0")
    stated = {**run_data.training, first: result}
    decision = analyse(replace(run_data, training=stated)).decision

    assert decision is not None
    assert {each.backbone: each.licence for each in decision.candidates} == {
        "vgg16": "apache-2.0",
        "resnet34": "unknown",
    }
