"""The time of whole commands, compared with bare Python: `python benchmarks/startup.py`.

The rival is `python -c pass`; it is run in turn with every command. The stores hold 1,000 trials of
3 periods, half of them done: in one run, and in a hundred runs.

Goals: help takes at most 60 ms more than the rival, `orch status` at most 250 ms more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import common
from large_store import PERIODS, fill_store, keep_alive

MAX_HELP_MS, MAX_STATUS_MS = 60.0, 250.0
OF_ONE, OF_MANY = "one", "many"
BARE = "python -c pass"


def main() -> int:
    """Fill the stores, time every command in turn, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--trials", type=int, default=1000, help="trials in each store  [default: 1000]"
    )
    parser.add_argument(
        "--runs", type=int, default=100, help="runs of the second store  [default: 100]"
    )
    parser.add_argument(
        "--repeats", type=int, default=9, help="each command timed so often  [default: 9]"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    try:
        run = fill_store(folder / OF_ONE, options.trials, 1)
        fill_store(folder / OF_MANY, options.trials, options.runs)
        rivals = {name: _timing(words, folder) for name, words in commands(run, folder).items()}
        figures = common.interleaved(rivals, options.repeats, "starting", warm_ups=2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return publish(figures, options)


def commands(run: str, folder: Path) -> dict[str, list[str]]:
    """The commands that are timed, by their caption."""
    orch = str(Path(sys.executable).with_name("orch"))
    one, many = ([orch, "--store", str(folder / name)] for name in (OF_ONE, OF_MANY))
    return {
        BARE: [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "orch --help": [orch, "--help"],
        "orch --version": [orch, "--version"],
        "orch submit --help": [orch, "submit", "--help"],
        "orch report --help": [orch, "report", "--help"],
        "orch models": [orch, "models"],
        "orch status, one run": [*one, "status"],
        "orch status RUN, one run": [*one, "status", run],
        "orch status RUN --json, one run": [*one, "status", run, "--json"],
        "orch status, many runs": [*many, "status"],
        "orch status --json, many runs": [*many, "status", "--json"],
    }


def publish(figures: dict[str, list[float]], options: argparse.Namespace) -> int:
    """Print the median of each command and its difference to bare Python; returns the exit code."""
    medians = common.medians(figures)
    over = {name: (value - medians[BARE]) * 1000 for name, value in medians.items()}
    rows = [
        [name, value * 1000, over[name] if name != BARE else "", f"{min(figures[name]) * 1000:.0f}"]
        for name, value in medians.items()
    ]
    goals = [
        common.Goal(
            f"{name}, ms over bare Python",
            value,
            MAX_HELP_MS if "help" in name else MAX_STATUS_MS,
            at_most=True,
        )
        for name, value in over.items()
        if "help" in name or "status" in name
    ]
    return common.publish(
        f"Start-up: {options.trials:,} trials x {PERIODS} periods in one run and in "
        f"{options.runs}, medians of {options.repeats} interleaved repeats",
        common.table(["command", "ms", "over bare Python, ms", "least, ms"], rows),
        goals,
        {"seconds": figures, "over_ms": over},
        options.json,
        options.check,
    )


def _timing(words: list[str], folder: Path) -> Callable[[], float]:
    """Times a process from start to end, in seconds.

    Compiled Python files are kept between repeats, as they are where orch is installed.
    """
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")

    def start() -> None:
        subprocess.run(words, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def timed() -> float:
        for name in (OF_ONE, OF_MANY):
            keep_alive(folder / name)
        return common.timed(start)

    return timed


if __name__ == "__main__":
    sys.exit(main())
