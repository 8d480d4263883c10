"""The commands that install missing packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jobs import install_hints
from orchestrator.doctor import extras

DECLARED = tomllib.loads((Path(install_hints.HOME) / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
PACKAGES = ("jobs", "models", "orchestrator", "workers")
OF_DEVELOPERS = {"dev", "docs"}


def test_the_command_holds_the_tested_versions_and_the_folder_that_orch_runs_from(
    tmp_path: Path,
) -> None:
    """It works in any folder, whatever else has the name orch."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()

    assert install_hints.install_command("worker", tmp_path) == (
        f"pip install -c {tmp_path}/constraints.txt -e '{tmp_path}[worker]'"
    )


def test_an_installed_wheel_names_the_distribution(tmp_path: Path) -> None:
    """There is no folder to name; pip takes the installed orch, and adds what the extra brings."""
    name = tomllib.loads((Path(install_hints.HOME) / "pyproject.toml").read_text())["project"]

    assert install_hints.install_command("flower", tmp_path) == "pip install 'orch[flower]'"
    assert name["name"] == install_hints.DISTRIBUTION


def test_every_command_that_installs_comes_from_one_function() -> None:
    """So that none names a checkout where a wheel is installed."""
    home = Path(install_hints.HOME)
    sources = [path for package in PACKAGES for path in (home / package).rglob("*.py")]

    own = [path.name for path in sources if re.search(r"pip.{1,6}install", path.read_text())]

    assert own == ["install_hints.py"]


def test_what_all_leaves_out_is_said() -> None:
    """In the command's message and in the README, which names each extra."""
    everything = re.findall(r"[a-z]+", DECLARED["all"][0].partition("[")[2])
    left_out = DECLARED.keys() - set(everything) - {"all"} - OF_DEVELOPERS
    readme = (Path(install_hints.HOME) / "README.md").read_text()

    assert left_out == set(install_hints.NOT_IN_ALL)
    assert "(not included in the extra 'all')" in install_hints.install_command("mlflow")
    assert "not included" not in install_hints.install_command("worker")
    assert all(f"`{name}`" in readme for name in DECLARED.keys() - OF_DEVELOPERS)


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_the_doctor_looks_for_packages_that_the_extra_brings(extra: str) -> None:
    """By the names that pip knows."""
    brought = {re.split(r"[^A-Za-z0-9-]", each)[0] for each in DECLARED[extra]}

    assert set(extras.EXTRAS[extra].packages) <= brought
