"""The benchmark of false leads, at a small size: its rows, its limits, the same for one seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "false_leads.py"
KEYS = {"networks", "seeds", "images", "deviation", "false_lead", "power_2", "power_4"}


def rows(path: Path, seed: int) -> list[dict[str, Any]]:
    """The rows of a run with few draws and images; it leaves with 0 if all goals are met."""
    asked = ["--draws", "60", "--images", "240", "600", "--seed", str(seed), "--check"]
    subprocess.run([sys.executable, SCRIPT, *asked, "--json", path], check=True, timeout=300)
    found: list[dict[str, Any]] = json.loads(path.read_text())["figures"]
    return found


@pytest.mark.long
def test_equal_networks_rarely_lead_and_never_with_one_seed(tmp_path: Path) -> None:
    """Every cell is there; the same seed gives the same rows."""
    found = rows(tmp_path / "a.json", seed=3)
    cells = {(row["networks"], row["seeds"], row["images"]) for row in found}
    single = [row for row in found if row["seeds"] == 1]
    many = [row for row in found if row["seeds"] == 5 and row["images"] == 600]

    assert all(set(row) == KEYS for row in found)
    assert cells == {(k, s, n) for k in (2, 7) for s in (1, 2, 3, 5) for n in (240, 600)}
    assert all(row["false_lead"] == row["power_4"] == 0 for row in single)
    assert max(row["power_4"] for row in many) > 0.5
    assert rows(tmp_path / "b.json", seed=3) == found
