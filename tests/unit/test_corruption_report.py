"""What the report says of evaluations on corrupted images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fakes import fill_store

from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import robustness


@pytest.fixture
def compared(tmp_path: Path) -> tuple[Store, Run]:
    """Three networks of two seeds, tested on two corruptions."""
    return fill_store(
        tmp_path / "store",
        backbones=["scratch", "alexnet", "resnet34"],
        classes=("ape", "bear", "cat"),
        seeds=2,
        periods=2,
        pixels=False,
        harder=["blur", "jpeg"],
    )


def test_the_corruption_error_is_that_of_the_paper() -> None:
    """By hand: errors 0.2 five times against 0.4 five times; the reference is 1; what is missing is
    not guessed.
    """
    mine, theirs = [0.8] * 5, [0.6] * 5

    assert robustness.corruption_error(mine, theirs) == pytest.approx(0.5)
    assert robustness.corruption_error(theirs, theirs) == 1
    assert robustness.corruption_error([0.9, 0.8, 0.7, 0.6, 0.5], theirs) == pytest.approx(
        1.5 / 2.0
    )
    assert robustness.corruption_error([*mine[:4], None], theirs) is None
    assert robustness.corruption_error(mine, [1.0] * 5) is None


def test_the_report_tells_of_harder_images(compared: tuple[Store, Run], tmp_path: Path) -> None:
    """AlexNet is the reference, means over seeds are those of the rows; the page has a table and a
    figure of it.
    """
    for name in ("matplotlib", "jinja2", "scipy"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'report')")
    from orchestrator.analysis import run_data
    from orchestrator.report import write

    store, run = compared
    found = run_data.read_run_data(store, run)
    rows = tables.read_rows(store.root, "evaluations", run.trials).to_pylist()
    mine = [
        row["accuracy"]
        for row in rows
        if (row["backbone"], row["corruption"], row["severity"]) == ("resnet34", "blur", 3)
    ]
    assert found.robustness is not None
    by_name = {one.backbone: one for one in found.robustness.networks}
    page = write.write_report(store, run, tmp_path / "report")
    facts = json.loads((page.parent / "report.json").read_text())["corruptions"]

    assert len(mine) == 2
    assert found.robustness.reference == "alexnet"
    assert by_name["alexnet"].mean_error == 1
    assert by_name["resnet34"].mean_error is not None
    assert by_name["resnet34"].mean_error < 1
    assert by_name["resnet34"].accuracies["blur", 3] == pytest.approx(sum(mine) / 2)
    assert len(facts["networks"][0]["accuracies"]) == 10
    assert "Corrupted images" in page.read_text()
    assert (page.parent / "figures" / "corruptions.svg").exists()


def test_open_harder_tests_do_not_hold_the_ranking_back(tmp_path: Path) -> None:
    """The last period is compared although no corrupted image is evaluated yet; there is no such
    section.
    """
    for name in ("matplotlib", "jinja2", "scipy"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'report')")
    from support.told_reports import told_report

    from orchestrator.analysis import run_data
    from orchestrator.report.missing import missing

    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "resnet34"],
        classes=("ape", "bear"),
        periods=2,
        pixels=False,
        harder=["blur"],
        finished=lambda task: not task.corruption,
    )
    found = run_data.read_run_data(store, run)
    page, facts, _ = told_report(store, run)

    assert found.leader is not None
    assert found.leader.period == 2
    assert facts["corruptions"] is None
    assert "Corrupted images" not in page
    assert any("corrupted images (blur-1)" in line for line in missing(found))
