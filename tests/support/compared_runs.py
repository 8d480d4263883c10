"""Runs in a store of fakes, compared as `orch report RUN RUN` does, without drawing."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.multi_run import ComparedRun, RunsAnalysis, analyse_runs
from orchestrator.analysis.run_data import RunData, read_run_data
from orchestrator.report import multi_run
from orchestrator.report.page import Page
from orchestrator.report.rendering.elements import Table, tables
from support.fakes import fill_store

NETWORK = {"backbones": ["squeezenet"], "classes": ("ape", "bear", "cat"), "periods": 1}
PROBE, MODERN = {"preset": "probe"}, {"preset": "modern"}
RATES = {"learning_rate": [0.001, 0.003]}


def rate(value: float) -> dict[str, Any]:
    """A recipe with this learning rate."""
    return {"learning_rate": value}


@dataclass(frozen=True)
class Scene:
    """A folder with a store, and the runs that were read from it."""

    root: Path

    def run(self, name: str, recipe: dict[str, Any] | None = None, **changes: Any) -> RunData:
        """The results of a run, filled into the store."""
        asked = {**NETWORK, "images_a_class": 40, "pixels": False, **changes}
        return read_run_data(*fill_store(self.root, name=name, recipe=recipe, **asked))


@dataclass(frozen=True)
class Comparison:
    """Runs compared, and the page."""

    sides: Sequence[ComparedRun]
    analysis: RunsAnalysis

    @functools.cached_property
    def page(self) -> Page:
        """The page that compares the runs."""
        return multi_run.assemble(self.sides, self.analysis, {one.name: "" for one in self.sides})

    def table(self, name: str) -> Table:
        """A table of the page."""
        return next(one for one in tables(self.page.sections) if one.name == name)

    @property
    def facts(self) -> dict[str, Any]:
        """What report.json holds."""
        return self.page.facts

    @property
    def cautions(self) -> str:
        """What to hold against the result."""
        return " ".join(self.facts["answer"]["cautions"])

    def pairs(self) -> list[tuple[str, Any, str, Any]]:
        """Which runs and settings were tested against one another."""
        return [
            (one["first"], one["first_setting"], one["second"], one["second_setting"])
            for one in self.facts["across"]
        ]


def compare(*runs: RunData) -> Comparison:
    """These runs, compared."""
    sides = [ComparedRun(each, analyse(each)) for each in runs]
    return Comparison(sides, analyse_runs(sides))
