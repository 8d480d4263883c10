"""The benchmark for GPUs also starts on a CPU, and a section without time does not prevent the
others.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'worker')")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.mark.long
def test_a_section_that_fails_leaves_its_error_and_the_others(tmp_path: Path) -> None:
    """Without time for any section, each says so, and the file is complete."""
    path = tmp_path / "gpu.json"
    run = subprocess.run(
        [sys.executable, SCRIPT, "--device", "cpu", "--tiny", "--minutes", "0", "--json", path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(path.read_text())

    assert run.returncode == 0, run.stderr[-2000:]
    assert found["exact"] == {"error": "no time was left"}
    assert "error" in found["the study, extrapolated"]
    assert "exact / error: no time was left" in run.stdout
