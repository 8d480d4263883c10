"""A report is loaded, analysed and rendered; nothing costly is done twice with the same things."""

from __future__ import annotations

import functools
import importlib
import sys
from collections import defaultdict
from collections.abc import Callable
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from orchestrator.report import write

LOADED = ["read_rows", "Store.load_trial", "load_results"]
ANALYSED = [
    "compare_networks",
    "compare",
    "collect_predictions",
    "_with_predictions",
    "judge_trial",
    "measure",
    "analyse",
    "collect_examples",
    "choose_examples",
    "Examples.only",
    "Examples.all_wrong",
    "Predictions.confusion",
    "Predictions.together",
    "seed_moments",
    "resampled",
    "pairwise_tests",
    "beats_all_rivals",
    "rank_networks",
    "class_metrics",
    "confusions",
    "calibrate",
    "network_costs",
    "find_duplicates",
    "build_timeline",
    "count_attempts",
]
RENDERED = [
    "compose",
    "sentence",
    "missing",
    "collect",
    "draw_chart",
    "Gallery._scaled",
    "assemble",
    "html",
]


@pytest.fixture(autouse=True)
def nothing_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are painted, but not laid out and written: that takes most of the time."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda *_: None)


Calls = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], Calls]:
    """Note the arguments of each call of these functions and methods, wherever they are named."""
    calls: Calls = defaultdict(list)

    @functools.cache
    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def note(*args: Any, **named: Any) -> Any:
            calls[function.__qualname__].append((*args, *named.values()))
            return function(*args, **named)

        return note

    def start(names: list[str]) -> Calls:
        for name in ("data_tables", "multi_run", "page"):  # imported only when a report is written
            importlib.import_module(f"orchestrator.report.{name}")
        parts = ("orchestrator.analysis.", "orchestrator.report.", "jobs.store.")
        modules = [module for name, module in sys.modules.items() if name.startswith(parts)]
        owners = {value for module in modules for value in vars(module).values() if isclass(value)}
        for owner in [*modules, *owners]:
            for name, value in list(vars(owner).items()):
                if isfunction(value) and value.__qualname__ in names:
                    monkeypatch.setattr(owner, name, noting(value))
        return calls

    return start


def repeated(calls: Calls) -> list[str]:
    """The functions that were called twice with the same objects, or with equal names."""
    keys = {
        name: [tuple(a if isinstance(a, str | int) else id(a) for a in one) for one in of_name]
        for name, of_name in calls.items()
    }
    return [name for name, of_name in keys.items() if len(set(of_name)) < len(of_name)]


def test_nothing_is_loaded_analysed_or_drawn_twice(
    tmp_path: Path, record: Callable[[list[str]], Calls]
) -> None:
    """In all formats, with two seeds and corrupted images."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch", "vgg16"],
        classes=("ape", "bear"),
        image_size=32,
        seeds=2,
        periods=1,
        harder=["blur"],
    )
    calls = record([*LOADED, *ANALYSED, *RENDERED])
    write.write_report(store, run, tmp_path / "out", formats=write.FORMATS)
    charts = [name for name, *_ in calls["draw_chart"]]

    assert sorted(calls) == sorted([*LOADED, *ANALYSED, *RENDERED])
    assert repeated(calls) == []
    assert len(charts) == len(set(charts))


def test_a_comparison_of_runs_analyses_each_of_them_once(
    tmp_path: Path, record: Callable[[list[str]], Calls]
) -> None:
    """Ranks over runs and tests between them too; the first sentence is that of the own report."""
    asked: dict[str, Any] = {
        "backbones": ["scratch", "vgg16"],
        "classes": ("ape", "bear"),
        "pixels": False,
    }
    store, one = fill_store(tmp_path / "store", name="one", periods=1, **asked)
    _, other = fill_store(tmp_path / "store", name="other", periods=1, **asked)
    names = ["load_results", "analyse", "compose", "analyse_runs", "rank", "across", "_facts_of"]
    calls = record(names)
    write.write_comparison(store, [one, other], tmp_path / "out", formats=["json"])

    assert {name: len(of_name) for name, of_name in calls.items()} == {
        "load_results": 2,
        "analyse": 2,
        "compose": 2,
        "analyse_runs": 1,
        "rank": 1,
        "across": 1,
        "_facts_of": 2,
    }
