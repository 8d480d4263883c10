"""Ranking only the networks whose weights are here: the others are named and left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.state_files import put_weights

import orchestrator
from jobs.errors import MissingWeights
from jobs.store.store import Store
from models.networks import weights
from orchestrator import cli, network_check
from orchestrator.local.stack_record import Stack
from orchestrator.submission import rank, skip_missing

ASKED = ["rank", "--data", "digits-800", "--image-size", "64", "--weights", "imagenet"]
ASKED += ["--backbone", "resnet34", "--backbone", "vgg16", "--no-workers", "--no-wait"]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the weights of ResNet34 alone; nothing can be downloaded."""
    folder = tmp_path / "weights"
    folder.mkdir()
    put_weights(folder / "resnet34.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ORCH_WEIGHTS_DIR", str(folder))
    monkeypatch.delenv("ORCH_BROKER_URL", raising=False)
    monkeypatch.setattr(weights, "DOWNLOADS", (tmp_path / "nowhere").as_uri())
    return folder


def test_networks_without_weights_are_left_out(given: Path) -> None:
    """The others stay in their order."""
    spec = rank.rank_spec({"data": "digits-800", "weights": "imagenet"})

    kept, absent = skip_missing.without_missing(spec, given)

    assert kept.backbones == ("resnet34",)
    assert set(absent) == set(spec.backbones) - {"resnet34"}


def test_where_all_are_missing_nothing_can_be_ranked(given: Path) -> None:
    """All are named."""
    spec = rank.rank_spec({"data": "digits-800", "weights": "imagenet", "backbones": "vgg16"})

    with pytest.raises(MissingWeights, match="the weights of none of vgg16 are on this machine"):
        skip_missing.without_missing(spec, given)


def test_networks_outside_the_catalog_are_looked_for_too(given: Path) -> None:
    """In a process with torch; a file that is there but damaged is no missing one."""
    pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'worker')")
    put_weights(given / "squeezenet1_1.pth")
    names = ["torchvision:squeezenet1_1", "torchvision:resnet18"]

    assert network_check.without_weights(names, given) == ["torchvision:resnet18"]


def test_the_refusal_names_the_option(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    code = cli.run(ASKED)

    assert code == 2
    assert capsys.readouterr().err.endswith("leave such networks out with --skip-missing.\n")
    assert not Path(given.parent, "store").exists()


def test_the_command_ranks_the_others_and_names_what_is_left_out(
    given: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run is that of the networks that are there."""
    monkeypatch.setattr(network_check, "unsound_weights", lambda names, folder: {})
    monkeypatch.setattr("orchestrator.submission.launch.launch", lambda *given: 0)

    monkeypatch.setattr(
        "orchestrator.submission.launch.begin", lambda *given: (Stack(None, ()), [], {})
    )

    code = cli.run([*ASKED, "--skip-missing"])
    store = Store(given.parent / "store")
    asked = {"data": "digits-800", "weights": "imagenet", "image_size": 64}
    ranked = orchestrator.rank(backbones=["resnet34", "vgg16"], skip_missing=True, **asked)
    with pytest.raises(MissingWeights, match=r"leave such networks out with skip_missing\.$"):
        orchestrator.rank(backbones=["vgg16"], workers=0, **asked)

    assert code == 0
    assert ranked.name == store.latest_run().name
    assert "left out, as their weights are not here: vgg16" in capsys.readouterr().err
    assert store.latest_run().spec.backbones == ("resnet34",)


def test_it_is_refused_where_other_machines_do_the_work(
    given: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their folders cannot be looked into."""
    monkeypatch.setenv("ORCH_BROKER_URL", "redis://127.0.0.1:1/0")

    code = cli.run([*ASKED, "--skip-missing"])

    assert code == 2
    assert "--skip-missing looks for weights on this machine" in capsys.readouterr().err
