"""`orch models NAME` for networks outside the catalog, entry points of packages among them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support import json_page

pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'worker')")

from jobs.errors import UnknownBackbone
from models.networks.describe import describe
from orchestrator import cli

NETS = """
import torch

def make(num_classes):
    print("building")
    layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(8, num_classes))
"""
POINTS = "[orch.backbones]\nsmall = animal_nets:make\nbroken = animal_nets:gone\n"
LAYERS = [
    {"layer": "Conv2d-1", "output": [8, 30, 30], "parameters": 224},
    {"layer": "AdaptiveAvgPool2d-2", "output": [8, 1, 1], "parameters": 0},
    {"layer": "Flatten-3", "output": [8], "parameters": 0},
    {"layer": "Linear-4", "output": [5], "parameters": 45},
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with an installed package that has two entry points, one of them wrong."""
    (tmp_path / "animal_nets.py").write_text(NETS)
    installed = tmp_path / "animal_nets-1.0.dist-info"
    installed.mkdir()
    (installed / "entry_points.txt").write_text(POINTS)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: animal-nets\nVersion: 1.0\n")
    return tmp_path


def test_a_network_of_an_entry_point_is_described_in_a_process_of_its_own(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What its function prints does not disturb the JSON."""
    paths = filter(None, (str(package), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    words = ["models", "entry:small", "--classes", "5", "--image-size", "32", "--json"]
    code = cli.run(words)
    found = json.loads(capsys.readouterr().out)

    json_page.assert_documented("orch models NAME", found)
    assert code == 0
    assert (found["name"], found["parameters"], found["image_size"]) == ("entry:small", 269, 32)
    assert found["layers"] == LAYERS


def test_an_entry_point_that_is_wrong_is_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be loaded, and one that no package has."""
    monkeypatch.syspath_prepend(str(package))

    with pytest.raises(UnknownBackbone, match="entry:broken cannot be loaded: AttributeError"):
        describe("entry:broken", 5, 32, None)
    with pytest.raises(UnknownBackbone, match="Did you mean 'entry:small'"):
        describe("entry:smal", 5, 32, None)


def test_networks_of_libraries_and_own_files_are_described(package: Path) -> None:
    """The parameters of the layers, and those outside them, add up to the total."""
    pytest.importorskip("timm")
    own = describe("animal_nets.py:make", 5, 32, package / "animal_nets.py")
    names = ("timm:vit_tiny_patch16_224", "torchvision:squeezenet1_1", "torchvision:regnet_y_400mf")
    found = [describe(name, 5, None, None) for name in names]

    assert own["layers"] == LAYERS
    assert [each["image_size"] for each in found] == [224, 224, 224]
    assert found[0]["layers"][-1]["layer"] == "outside these layers"
    for each in found:
        assert sum(row["parameters"] for row in each["layers"]) == each["parameters"]


def test_a_network_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An own file is looked for before torch is started."""
    code = cli.run(["models", str(tmp_path / "gone.py:make")])

    assert code == 2
    assert "cannot read the file of the backbone" in capsys.readouterr().err
