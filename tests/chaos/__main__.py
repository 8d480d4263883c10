"""Inject faults into a study and compare it with an undisturbed one: `python -m chaos --faults 50
--seed 1`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from chaos.scene import SMALL, Size
from chaos.study import Places, study


def main() -> int:
    """Exit code 0 if every promise was kept, else 1."""
    asked = argparse.ArgumentParser(prog="chaos", description=__doc__)
    asked.add_argument("--faults", type=int, default=50, help="how many (default 50)")
    asked.add_argument(
        "--seed", type=int, default=1, help="the list of faults that is drawn (default 1)"
    )
    asked.add_argument(
        "--pause", type=float, default=3.25, help="mean seconds between two faults (default 3.25)"
    )
    asked.add_argument("--workers", type=int, default=3, help="how many (default 3)")
    asked.add_argument("--json", type=Path, help="write what happened to this file, too")
    asked.add_argument(
        "--folder", type=Path, help="work here and keep it (default: a temporary folder)"
    )
    asked.add_argument(
        "--twin", type=Path, help="keep the undisturbed study in this folder, and use it again"
    )
    asked.add_argument(
        "--small",
        action="store_true",
        help="small images, few epochs, torch loaded once for all workers: as the tests do it",
    )
    asked.add_argument(
        "--race", action="store_true", help="networks that are behind stop between periods"
    )
    given = asked.parse_args()
    if given.faults < 1 or given.workers < 1 or given.pause <= 0:
        asked.error("give at least one fault, one worker, and a pause")
    places = Places(given.folder, given.twin, given.json)
    size = replace(SMALL if given.small else Size(), race=given.race)
    return 0 if study(given.faults, given.seed, given.workers, given.pause, places, size) else 1


sys.exit(main())
