"""The results of `gpu.py`: the file they are kept in, and what is computed from them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common


class Report:
    """The results so far, in a file that is complete at every moment."""

    def __init__(self, path: Path | None, deadline: float) -> None:
        self.path, self.deadline, self.begun = path, deadline, time.monotonic()
        self.results: dict[str, Any] = {}

    @property
    def left_s(self) -> float:
        """Seconds until the benchmark has to end."""
        return self.deadline - time.monotonic()

    def put(self, title: str, results: Any) -> None:
        """Keep a section's results, and rewrite the file."""
        self.results[title] = results
        self.results.setdefault("done after seconds", {})[title] = round(
            time.monotonic() - self.begun, 1
        )
        if self.path is not None:
            draft = self.path.with_suffix(".draft")
            draft.write_text(
                json.dumps(self.results, indent=1, default=str) + "\n", encoding="utf-8"
            )
            draft.replace(self.path)


def study_extrapolated(results: dict[str, Any]) -> dict[str, Any]:
    """The seconds of the whole study, extrapolated from the measured parts of epochs.

    Once with one network after another, and once with all of them side by side.
    """
    if "error" in results.get("study alone", {}):
        return {"error": "a slice is missing: the study alone was not done"}
    try:
        alone = {
            name: row["extrapolated_seconds"]
            for name, row in results["study alone"].items()
            if isinstance(row, dict)
        }
        beside = results["study side by side"]
        beside = beside if isinstance(beside, list) else [beside]
        longest = max(row["extrapolated_training_seconds"] for row in beside)
        return {
            "extrapolated": True,
            "left out": "starting processes, uploads, checkpoints",
            "one after another, seconds": sum(alone.values()),
            "side by side, seconds, at most": longest,
            "side by side leaves out": "validation and evaluation; nobody gets faster as others "
            "end",
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return {"error": f"a slice is missing: {error!r}"}


def errors(results: Any, title: str = "") -> Iterator[tuple[str, str]]:
    """Every error in the results, with its place. A failed check of equality counts as one."""
    rows = (
        results.items()
        if isinstance(results, dict)
        else enumerate(results)
        if isinstance(results, list)
        else ()
    )
    for key, value in rows:
        place = f"{title} / {key}" if title else str(key)
        if key == "error" or (" = " in str(key) and value is not True):
            yield place, str(value).strip().splitlines()[-1]
        else:
            yield from errors(value, place)


def rates_table(results: dict[str, Any], names: list[str]) -> str:
    """A table of each backbone's images per second in training."""
    columns = (
        "bare auto",
        "ours auto resident",
        "ours auto streamed",
        "ours auto replayed",
        "bare fp32",
        "ours fp32 resident",
        "ours auto resident evaluated",
    )
    rows = []
    for name in (each for each in names if f"backbone {each}" in results):
        row = results[f"backbone {name}"]
        rates = row.get("images_per_second", {})
        by_hand = row.get("by hand", "-")
        known = (rates.get(column, "-") for column in columns)
        rows.append([name, "-" if isinstance(by_hand, dict) else by_hand, *known])
    return common.table(["images/s", "by hand", *columns], rows)
