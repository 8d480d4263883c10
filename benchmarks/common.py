"""What every benchmark needs: the machine in words, interleaved medians, one table, one
JSON file.
"""

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
    """A ratio that was promised: reached when `value` is at least (or, with `at_most`, at most)
    `wanted`.
    """

    what: str
    value: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted

    def __str__(self) -> str:
        relation = "at most" if self.at_most else "at least"
        return (
            f"{'met' if self.met else 'MISSED'}: {self.what} {self.value:.3g} (goal: "
            f"{relation} {self.wanted:.3g})"
        )


def machine() -> dict[str, Any]:
    """Processor, cores, Python and packages, and the day: what a figure was measured on."""
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
    """Each rival's figures, measured in turn (A B A B ...), those of the warm-ups thrown away."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(warm_ups + repeats):
        for name, measure in rivals.items():
            say(f"{what} {name}: {turn + 1} of {warm_ups + repeats}")
            figure = measure()
            if turn >= warm_ups:
                found[name].append(figure)
    say("")
    return found


def medians(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each rival's figures."""
    return {name: statistics.median(values) for name, values in figures.items()}


def paired(figures: Mapping[str, Sequence[float]], ours: str, rival: str) -> float:
    """The median of the ratios of ours to the rival's, turn by turn: a machine that drifts moves
    both.
    """
    return statistics.median(a / b for a, b in zip(figures[ours], figures[rival], strict=True))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def say(line: str) -> None:
    """Show how far a benchmark is, on a terminal by overwriting the line before; an empty line
    wipes it.
    """
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
    elif line:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; floats with three figures."""
    cells = [[_shown(cell) for cell in row] for row in (head, *rows)]
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
    """Print a benchmark's table and goals, write everything as JSON where asked; 1 if `check` and a
    goal was missed.
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
        path.write_text(
            json.dumps(
                {
                    "title": title,
                    "machine": about,
                    "figures": figures,
                    "goals": [
                        {
                            "what": g.what,
                            "value": g.value,
                            "wanted": g.wanted,
                            "at_most": g.at_most,
                            "met": g.met,
                        }
                        for g in goals
                    ],
                },
                indent=1,
            )
            + "\n",
            encoding="utf-8",
        )
    return int(check and not all(goal.met for goal in goals))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    about = {key.strip(): value.strip() for key, value in found.items()}
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


def _shown(cell: Any) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
