"""A command without RUN takes the latest run with what it needs, and says which."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_rankings import record_ranking
from support.fakes import fill_store

from jobs.errors import UnknownRun
from jobs.store.store import Store
from orchestrator.terminal.latest import latest_with

FEW = {"classes": ("ape", "bear"), "images_a_class": 6, "periods": 1, "pixels": False}


def test_later_runs_without_results_are_passed_over_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ranking, and one that has only begun; a run with results is taken without a word."""
    store, study = fill_store(tmp_path, backbones=["resnet34"], name="study", **FEW)
    first = latest_with(store, "evaluate").name
    silent = capsys.readouterr().err
    record_ranking(store, study, ["resnet34"])
    second = latest_with(store, "evaluate").name
    ranked = capsys.readouterr().err
    fill_store(
        tmp_path,
        backbones=["vgg16"],
        name="new",
        finished=lambda task: task.kind == "prepare",
        **FEW,
    )
    third = latest_with(store, "train").name
    begun = capsys.readouterr().err

    assert (first, second, third) == ("study", "study", "study")
    assert silent == ""
    assert ranked.startswith("run study is used: ")
    assert "is later, but ranks networks only" in ranked
    assert begun == "run study is used: new is later, but has no result for this yet\n"


def test_without_results_it_is_the_latest_that_trains(tmp_path: Path) -> None:
    """Its command then says what is missing; an empty store has none."""
    store, study = fill_store(
        tmp_path / "a", backbones=["resnet34"], name="study", finished=lambda task: False, **FEW
    )
    record_ranking(store, study, ["resnet34"])

    assert latest_with(store, "evaluate").name == "study"
    with pytest.raises(UnknownRun):
        latest_with(Store(tmp_path / "b").open(create=True), "train")
