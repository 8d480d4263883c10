"""A command without RUN takes the latest run with what it needs, and says which."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_rankings import record_ranking
from support.fakes import fill_store

from jobs.errors import UnknownRun
from jobs.store.store import Store
from orchestrator import cli
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


def test_of_several_runs_with_results_the_one_taken_is_said_unless_its_command_begins_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the way to name another; a file of rows names no run, and JSON has a key for it."""
    monkeypatch.setenv("ORCH_STORE", str(tmp_path))
    told = {}
    for name, rate in (("old", 0.1), ("new", 0.2)):
        recipe = {"learning_rate": rate}
        fill_store(tmp_path, backbones=["resnet34"], name=name, recipe=recipe, **FEW)
        for more in ([], ["--json"], [name]):
            cli.run(["report", "--format", "csv", *more])
            told[(name, *more)] = capsys.readouterr().err
    latest_with(Store(tmp_path), "evaluate", ("predict", "--run", "RUN", "IMAGE"))
    predicted = capsys.readouterr().err
    latest_with(Store(tmp_path), "evaluate")
    silent = capsys.readouterr().err

    line = "run new is used: it is the latest with results. Name another with: orch report RUN\n"
    assert {key: err for key, err in told.items() if err} == {("new",): line}
    assert predicted.endswith("orch predict --run RUN IMAGE\n")
    assert silent == ""


def test_without_results_it_is_the_latest_that_trains(tmp_path: Path) -> None:
    """Its command then says what is missing; an empty store has none."""
    store, study = fill_store(
        tmp_path / "a", backbones=["resnet34"], name="study", finished=lambda task: False, **FEW
    )
    record_ranking(store, study, ["resnet34"])

    assert latest_with(store, "evaluate").name == "study"
    with pytest.raises(UnknownRun):
        latest_with(Store(tmp_path / "b").open(create=True), "train")
