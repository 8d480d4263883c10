"""The two commands of a new user: what `make` does around orch, with a stand-in for orch."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from functools import partial
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
echo "$1 store=$ORCH_STORE broker=$ORCH_BROKER_URL" >> calls
test "$1" != submit || { touch begun; sleep "${STAND_IN_SLEEPS:-0}"; exit "${STAND_IN_SUBMIT:-0}"; }
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder like an installed clone, whose `orch` only records how it was called."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for path in (commands / "pip", commands / "orch"):
        path.write_text(STAND_IN)
        path.chmod(0o755)
    (tmp_path / ".venv" / "installed").touch()
    return tmp_path


def start(clone: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """`make` in a process group of its own, with an environment that names a broker and a store."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    settings = (
        inherited
        | {"ORCH_BROKER_URL": "redis://elsewhere", "ORCH_STORE": "elsewhere"}
        | environment
    )
    # Tests in the background of a shell ignore Ctrl-C, and child processes would inherit that.
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        ["make", *words],
        cwd=clone,
        env=settings,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heeds_ctrl_c,
    )


def calls(clone: Path) -> list[str]:
    """The commands that were given to orch, in order."""
    return [line.split()[0] for line in (clone / "calls").read_text().splitlines()]


def test_the_demo_submits_reports_and_stops_what_it_started(clone: Path) -> None:
    """Submit, report, down, in a separate store and with the embedded broker; then it says where
    the report is.
    """
    process = start(clone, "demo")
    said, _ = process.communicate(timeout=30)
    written = (clone / "calls").read_text().splitlines()

    assert process.returncode == 0
    assert calls(clone) == ["submit", "report", "down"]
    assert all(line.endswith(f"store={clone / 'demo-store'} broker=") for line in written)
    assert str(clone / "demo-report" / "report.html") in said
    assert "--data FOLDER" in said


def test_a_demo_that_fails_says_so_and_stops_what_it_started(clone: Path) -> None:
    """The embedded broker and workers are stopped, and make fails, when the study fails."""
    process = start(clone, "demo", STAND_IN_SUBMIT="1")
    process.communicate(timeout=30)

    assert process.returncode != 0
    assert calls(clone) == ["submit", "down"]


def test_a_demo_stopped_with_ctrl_c_leaves_nothing_running(clone: Path) -> None:
    """Ctrl-C reaches the whole process group; background processes stop before make returns."""
    process = start(clone, "demo", STAND_IN_SLEEPS="30")
    deadline = time.monotonic() + 20
    while not (clone / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode != 0
    assert calls(clone) == ["submit", "down"]


def test_a_machine_without_python_is_told_what_to_do(clone: Path) -> None:
    """No Python found: one clear message, nothing created."""
    shutil.rmtree(clone / ".venv")
    process = start(clone, "test", "PYTHON=")
    _, complaint = process.communicate(timeout=30)

    assert process.returncode != 0
    assert "No Python 3.11 or newer" in complaint
    assert not (clone / ".venv").exists()


def test_nothing_is_installed_again_unless_what_is_asked_for_changed(clone: Path) -> None:
    """The stamp is younger than pyproject and constraints: no pip; constraints change: pip."""
    before = start(clone, "-n", "demo").communicate(timeout=30)[0]
    os.utime(clone / "constraints.txt", (time.time() + 60,) * 2)
    after = start(clone, "-n", "demo").communicate(timeout=30)[0]

    assert "pip install" not in before
    assert "pip install" in after


def test_constraints_pin_what_the_package_asks_for() -> None:
    """Each direct dependency of every extra has one tested version, within the requested range."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [Requirement(text) for texts in lists for text in texts]
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and line[0] != "#"
    ]
    pins = {canonicalize_name(name): pin for name, pin in (line.split("==") for line in lines)}
    asked = [need for need in wanted if need.name != "orch"]

    assert asked
    assert [
        need.name
        for need in asked
        if not need.specifier.contains(pins.get(canonicalize_name(need.name), "0"))
    ] == []


def test_constraints_name_no_address_and_no_gpu_library() -> None:
    """They work with any index, and torch alone chooses its GPU libraries. NVML's reader is plain
    Python.
    """
    text = (ROOT / "constraints.txt").read_text()

    assert "://" not in text
    assert "--" not in text
    assert not re.search(r"^(nvidia(?!-ml-py=)|cuda|triton)", text, re.MULTILINE)


def test_the_script_for_ci_is_sound_and_asks_nothing() -> None:
    """It is executable, bash can read it, and its standard input is closed to questions."""
    script = ROOT / ".ci" / "run"
    read = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, timeout=30)

    assert os.access(script, os.X_OK)
    assert (read.returncode, read.stderr) == (0, "")
    assert "exec </dev/null" in script.read_text()
