"""`orch --help` starts quickly: its imports are checked in a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.fakes import fill_store

from orchestrator.cli import COMMANDS

HEAVY = (
    "torch",
    "torchvision",
    "celery",
    "kombu",
    "redis",
    "pyarrow",
    "numpy",
    "pydantic",
    "yaml",
    "rich",
    "matplotlib",
    "jinja2",
    "PIL",
)
NEEDLESS = (
    *HEAVY,
    "importlib.metadata",
    "difflib",
    "json",
    "logging",
    "hashlib",
    "jobs.settings",
    "orchestrator.submission.launch",
    *(f"orchestrator.commands.{entry.partition(':')[0]}" for entry, _ in COMMANDS.values()),
)
"""What the help of all of orch has no use for."""
HELPS = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]


def imported(arguments: list[str], heavy: tuple[str, ...] = HEAVY) -> list[str]:
    """The heavy packages that a command line has imported when it ends."""
    program = (
        "import sys\nfrom orchestrator import cli\n"
        f"code = cli.run({arguments!r})\nassert code == 0, code\n"
        f"print('IMPORTED', *[name for name in {heavy!r} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Neither torch nor celery nor pydantic nor any other slow library."""
    found = imported(arguments)

    assert found == []


def test_the_help_of_all_of_orch_imports_no_command() -> None:
    """The help line of each command is in one table."""
    found = imported(["--help"], NEEDLESS)

    assert found == []


@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_help_says_of_a_command_fits_a_line(name: str) -> None:
    """On a terminal of 80 columns, as a whole sentence."""
    told = COMMANDS[name][1]

    assert len(told) + len("  predict  ") < 80
    assert told.endswith(".")


def test_a_heavy_import_would_be_noticed() -> None:
    """The check above can fail: listing models imports click."""
    found = imported(["models"], ("click", "torch"))

    assert found == ["click"]


@pytest.mark.parametrize("asked", [[], ["study"], ["study", "--json"]], ids=" ".join)
def test_looking_at_runs_imports_nothing_heavy(asked: list[str], tmp_path: Path) -> None:
    """`orch status` is fast too: it does not validate any specification."""
    fill_store(tmp_path, backbones=["scratch"], pixels=False, name="study")

    found = imported(
        ["--store", str(tmp_path), "status", *asked],
        (*HEAVY, "jobs.spec.model", "importlib.metadata"),
    )

    assert found == []
