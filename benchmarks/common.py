"""What every benchmark uses: the machine in words, interleaved repeats, a table, a JSON file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "celery", "redis", "pyarrow")


@dataclass(frozen=True, slots=True)
class Goal:
    """A promised figure. It is met when `value` is at least `wanted`, or at most with `at_most`."""

    what: str
    value: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted

    def __str__(self) -> str:
        relation = "at most" if self.at_most else "at least"
        return (
            f"{'met' if self.met else 'MISSED'}: {self.what} {self.value:.3g} (goal: "
            f"{relation} {self.wanted:.3g})"
        )


def machine() -> dict[str, Any]:
    """What figures are measured on: processor, cores, system, Python, packages; and the date."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def interleaved(
    rivals: Mapping[str, Callable[[], float]], repeats: int, what: str = "", warm_ups: int = 1
) -> dict[str, list[float]]:
    """Each rival's figures, measured in turn (A B A B ...). Those of the warm-ups are dropped."""
    figures: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(warm_ups + repeats):
        for name, measure in rivals.items():
            say(f"{what} {name}: {turn + 1} of {warm_ups + repeats}")
            figure = measure()
            if turn >= warm_ups:
                figures[name].append(figure)
    say("")
    return figures


def medians(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each rival's figures."""
    return {name: statistics.median(values) for name, values in figures.items()}


def paired(figures: Mapping[str, Sequence[float]], ours: str, rival: str) -> float:
    """The median over the turns of the ratio `ours` to `rival`.

    A machine whose speed drifts changes both figures of a turn, and so hardly changes their ratio.
    """
    return statistics.median(a / b for a, b in zip(figures[ours], figures[rival], strict=True))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def say(line: str) -> None:
    """Show progress on stderr. On a terminal it replaces the last line; an empty line clears it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
    elif line:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; floats have three significant digits."""
    cells = [[_cell_text(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    return "\n".join(
        [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
    )


def publish(
    title: str,
    shown: str,
    goals: Sequence[Goal],
    figures: Any,
    path: Path | None,
    check: bool = False,
) -> int:
    """Print a benchmark's table and goals, and write everything as JSON if a path is given.

    Returns the exit code: 1 if `check` is set and a goal is missed, else 0.
    """
    about = machine()
    print(
        f"{title}\n{about['processor']}, {about['cores']} cores, Python {about['python']}, "
        + ", ".join(f"{name} {version}" for name, version in about["packages"].items())
        + f", {about['date']}\n"
    )
    print(shown + "\n")
    for goal in goals:
        print(goal)
    if path is not None:
        contents = {
            "title": title,
            "machine": about,
            "figures": figures,
            "goals": [_goal_as_dict(goal) for goal in goals],
        }
        path.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    return int(check and not all(goal.met for goal in goals))


def _goal_as_dict(goal: Goal) -> dict[str, Any]:
    return {
        "what": goal.what,
        "value": goal.value,
        "wanted": goal.wanted,
        "at_most": goal.at_most,
        "met": goal.met,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    about = {key.strip(): value.strip() for key, value in pairs}
    units = [
        unit
        for unit in ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
        if unit in about.get("flags", "").split()
    ]
    return (
        f"{about.get('model name', 'unknown processor')} "
        f"({units[0] if units else 'no vector unit'})"
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cell_text(cell: Any) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
