"""The import rules between packages in `pyproject.toml` hold in the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_import_stays_within_its_borders() -> None:
    """import-linter finds no contract broken."""
    pytest.importorskip("importlinter", reason="import-linter is not installed (extra 'dev')")
    program = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True))"

    plain = os.environ | {"NO_COLOR": "1", "COLUMNS": "200"}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout
