"""The benchmark of races, at a small size: its cells, and the same for one seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "race.py"
KEYS = {"curves", "networks", "periods", "validation", "rank", "saved", "same", "kept"}


def cells(path: Path, seed: int) -> list[dict[str, Any]]:
    """The cells of few races on the recorded curves alone."""
    asked = ["--races", "30", "--seed", str(seed), "--only", "animals22", "--json", path]
    subprocess.run([sys.executable, SCRIPT, *asked], check=True, timeout=300)
    told: list[dict[str, Any]] = json.loads(path.read_text())["figures"]
    return told


def test_races_over_recorded_curves_save_and_keep_the_winner(tmp_path: Path) -> None:
    """Every cell is there; no race costs more than training all; the same seed, the same cells."""
    told = cells(tmp_path / "a.json", seed=2)
    plain = next(cell for cell in told if cell["rank"] == "none")

    assert all(set(cell) == KEYS for cell in told)
    assert [cell["rank"] for cell in told] == ["none", "0.95", "0.9", "0.8", "0.6"]
    assert 1.5 < plain["saved"] < 70 / 16
    assert plain["kept"] >= 0.9
    assert cells(tmp_path / "b.json", seed=2) == told
