"""The wheel: all that orch needs, nothing else, and it runs without the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("jobs", "models", "orchestrator", "workers")
pytest.importorskip("build", reason="build is not installed (extra 'dev')")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, from a copy, so that the checkout stays as it is."""
    copy = tmp_path_factory.mktemp("copy")
    for name in (*PACKAGES, "tests/support", "examples", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "constraints.txt"):
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    ran = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (built,) = (copy / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel, its metadata left out."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What a package index reads of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (place,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(place).decode())


def test_the_wheel_holds_every_file_of_the_four_packages_and_no_other(names: set[str]) -> None:
    """Templates, class names and py.typed are in it; no test, document or example is."""
    there = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }

    assert names == there
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert "orchestrator/report/templates/page.html.j2" in names
    assert "orchestrator/analysis/imagenet_classes.txt" in names


def test_its_metadata_say_where_it_runs_and_name_no_address(metadata: Message) -> None:
    """Linux, Python 3.11 to 3.13, typed; the README is the description."""
    said = metadata.get_all("Classifier", [])

    assert "Operating System :: POSIX :: Linux" in said
    assert {f"Programming Language :: Python :: 3.{each}" for each in (11, 12, 13)} <= {*said}
    assert "Typing :: Typed" in said
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert metadata.get_all("Project-URL") is None


def test_a_package_index_would_take_it(wheel: Path) -> None:
    """`twine check` renders the description and finds nothing wrong."""
    pytest.importorskip("twine", reason="twine is not installed (extra 'dev')")
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_orch_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, in a folder without the repository: its own files are the ones used."""
    alone = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(alone)
    place = "import orchestrator.cli as cli; print(cli.__file__); cli.main()"
    ran = subprocess.run(
        [sys.executable, "-c", place, "models"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(alone)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.stdout.startswith(str(alone))
    assert "resnet34" in ran.stdout
    assert (ran.returncode, ran.stderr) == (0, "")
