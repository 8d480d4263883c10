"""User files named like ours or Python's never take the place of orch's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import own_packages
from orchestrator.local import stack

HOME = Path(__file__).parents[2]
WARM = """
import multiprocessing, sys, threading
from workers.process import child
child.start_fork_server()
assert child.warm(threading.Event(), "jobs.task:nothing")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An ordinary machine-learning repository: each of its files ends whoever imports it."""
    bomb = "raise SystemExit(f'imported {__file__}')\n"
    for package in ("models", "jobs"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(bomb)
    for module in ("workers", "queue", "random", "logging", "tempfile"):
        (tmp_path / f"{module}.py").write_text(bomb)
    return tmp_path


def run(command: list[str], folder: Path, *path: Path | str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with these entries of PYTHONPATH."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120
    )


def test_a_local_worker_starts_from_a_folder_with_such_files(repository: Path) -> None:
    """Its command line is the one that `orch up` types."""
    done = run([*stack.worker_command("w", "cpu", 1), "--help"], repository, HOME)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_module_leaves_such_a_folder(repository: Path) -> None:
    """Python puts the current folder first for `-m`; it is taken off before anything is used."""
    done = run([sys.executable, "-m", "orchestrator.cli", "models"], repository, HOME)

    assert (done.returncode, done.stderr) == (0, "")
    assert "resnet34" in done.stdout


def test_the_fork_server_and_its_children_import_ours(repository: Path) -> None:
    """A worker may be started by any Python program, there too."""
    script = repository.parent / f"{repository.name}-script.py"
    script.write_text(WARM)
    done = run([sys.executable, str(script)], repository, HOME)
    script.unlink()

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["models", "jobs", "workers", "random", "logging"])
def test_what_pythonpath_puts_first_is_named(name: str, tmp_path: Path) -> None:
    """With the entry to take out; exit code 2 and nothing begun."""
    (tmp_path / f"{name}.py").touch()
    done = run(
        [sys.executable, "-P", "-m", "orchestrator.cli", "models"], Path("/"), tmp_path, HOME
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path}/{name}.py" in done.stderr
    assert f"Take {tmp_path} out of PYTHONPATH" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_python_files_hides_a_package_too(tmp_path: Path) -> None:
    """Python takes any folder called `models` for a package before an editable installation."""
    (tmp_path / "models").mkdir()
    program = (
        "import sys; from orchestrator import own_packages; own_packages.PACKAGES = ('models',); "
        "sys.path.remove(own_packages.HOME); print(own_packages.problem())"
    )
    done = run([sys.executable, "-P", "-c", program], Path("/"), HOME, tmp_path)

    assert f"another 'models' first: {tmp_path}/models" in done.stdout


@pytest.mark.parametrize("name", ["jobs", "workers"])
def test_a_program_with_a_package_of_such_a_name_is_told(name: str, tmp_path: Path) -> None:
    """In the error of the import that failed. An editable installation has a finder that helps."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / "service.py").write_text(
        "import sys; sys.meta_path[:] = [e for e in sys.meta_path if 'editable' not in str(e)]\n"
        f"import {name}, orchestrator; orchestrator.submit()"
    )
    done = run([sys.executable, "service.py"], tmp_path, HOME)

    assert f"another '{name}' first: {tmp_path}/{name}, not orch's own" in done.stderr
    assert "Rename it" in done.stderr.splitlines()[-1]


def test_processes_find_orch_though_it_is_not_installed() -> None:
    """Its folder comes first, once, and whatever PYTHONPATH holds stays."""
    variables = {"PYTHONPATH": "/apps/torch"}
    own_packages.protect(variables)
    own_packages.protect(variables)

    assert variables == {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{HOME}{os.pathsep}/apps/torch"}
