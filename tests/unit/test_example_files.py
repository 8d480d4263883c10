"""The files in examples/: each is a specification that orch takes, and is told of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.command_lines import PAGES, ROOT, parse
from support.label_tables import table

from jobs.catalog import presets
from jobs.data import sources
from jobs.data.request import DataRequest
from jobs.spec import model

EXAMPLES = ROOT / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))


def built(name: str) -> model.Spec:
    """The specification of an example."""
    return model.build(model.read_file(EXAMPLES / name))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_example_builds_and_the_commands_in_it_parse(path: Path) -> None:
    """As `orch submit` reads it; commands are in the comments at its top."""
    lines = re.findall(r"^#\s+(orch .*)$", path.read_text(), re.MULTILINE)
    commands = [command for line in lines for command in line.split(" && ")]
    for command in commands:
        parse(command)

    assert model.build(model.read_file(path)).backbones
    assert path.name == "demo.yaml" or f"examples/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_is_linked_from_the_readme(path: Path) -> None:
    """Nobody looks for what is not told; the code of a network stands beside its specification."""
    if path.suffix in (".yaml", ".ipynb"):
        assert f"(examples/{path.name})" in PAGES[0].read_text()
    elif path.is_file():
        assert path.name in path.with_suffix(".yaml").read_text()


def test_the_example_of_the_study_is_the_default_recipe() -> None:
    """Each number in it is the default, so that a changed default would be noticed."""
    study = built("study.yaml")
    plain = model.build({"data": study.data, "backbones": "all"})
    asked = {"seeds", "corruptions"}

    assert study.model_dump(exclude=asked) == plain.model_dump(exclude=asked)


def test_the_modern_example_has_the_preset_and_two_settings_of_each_network() -> None:
    """The network with rates of its own has two as well."""
    modern = built("modern.yaml")
    preset = presets.PRESETS["modern"].settings

    assert modern.optimiser == preset["optimiser"]
    assert modern.augment == preset["augment"]
    assert len(modern.grid["learning_rate"]) == 2
    assert [len(network.grid["learning_rate"]) for network in modern.networks.values()] == [2]


def test_the_example_of_a_table_reads_one_and_keeps_patients_together(tmp_path: Path) -> None:
    """Its keys fit a table with the columns that its comment names."""
    (tmp_path / "scans").mkdir()
    rows = [
        (f"{label}{number}.png", label, f"patient-{label}{number // 2}")
        for label in ("benign", "malignant")
        for number in range(6)
    ]
    table(tmp_path / "scans" / "rows.csv", [("path", "label", "patient"), *rows])
    (tmp_path / "scans" / "rows.csv").rename(tmp_path / "labels.csv")
    (tmp_path / "csv.yaml").write_text((EXAMPLES / "csv.yaml").read_text())
    spec = model.build(model.read_file(tmp_path / "csv.yaml"))
    source = sources.list_source(DataRequest.of(spec))

    assert source.classes == ("benign", "malignant")
    assert len({entry.group for entry in source.entries}) == 6


def test_the_own_network_of_the_examples_passes_the_check_of_submit() -> None:
    """By its own preparation: 32 pixels, as its `pretrained_cfg` says."""
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'worker')")
    from models.networks import check

    spec = built("own_network.yaml")
    own = spec.networks["own_network.py:make"]
    request = check.NetworkRequest("own_network.py:make", {}, str(own.file))
    told = check.check(request, 10, None)

    assert told["image_size"] == 32
    assert tuple(told["mean"]) == (0.5, 0.5, 0.5)
    assert told["parameters"] > 0
