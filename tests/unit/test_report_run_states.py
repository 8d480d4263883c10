"""Reports of runs that are partial, failed, empty, hostile, or of several seeds."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store
from support.html_pages import parsed
from support.told_reports import told_report

from jobs.errors import OrchError
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.report import write

HOSTILE = ("<img src=x onerror=alert(1)>", "a|b", "$x^2$ {{7*7}}", "plain")
PAIR = ["resnet34", "scratch"]
FOUR = ("ape", "bear", "cat", "dog")


def filled(tmp_path: Path, **changes: Any) -> tuple[Store, Run]:
    """A run of two networks and two classes, with changes."""
    asked = {
        "backbones": PAIR,
        "classes": ("ape", "bear"),
        "images_a_class": 10,
        "periods": 2,
        "epochs_per_period": 1,
        "image_size": 32,
        "pixels": False,
        **changes,
    }
    return fill_store(tmp_path / "store", **asked)


def told(tmp_path: Path, **changes: Any) -> tuple[dict[str, Any], str]:
    """The values and the Markdown of its report."""
    markdown, facts, _ = told_report(*filled(tmp_path, **changes))
    return facts, markdown


def test_names_come_out_as_text_wherever_they_stand(tmp_path: Path) -> None:
    """Classes and skipped files that look like markup, tables, formulas or templates; rows keep
    their columns.
    """
    asked = {"classes": HOSTILE, "pixels": True, "skipped": ("<b>x</b>|y.jpg",), "periods": 1}
    html = write.write_report(*filled(tmp_path, **asked), tmp_path / "out").read_text()
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    markdown = (tmp_path / "out" / "report.md").read_text()
    tags = parsed(tmp_path / "out" / "report.html")
    drawn = ET.parse(tmp_path / "out" / "figures" / "classes.svg")
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)]
    widths = [{len(re.findall(r"(?<!\\)\|", line)) for line in table} for table in tables]
    written = {node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")}

    assert not any("onerror" in attributes for _, attributes in tags.tags)
    assert HOSTILE[0] in "".join(tags.text)
    assert "$x^2$ {{7*7}}" in "".join(tags.text)
    assert {"a|b", "$x^2$ {{7*7}}"} <= written
    assert "<img" not in markdown
    assert "<b>" not in markdown + html.split("</style>")[1]
    assert facts["data"]["classes"] == sorted(HOSTILE)
    assert len(tables) >= 6
    assert all(len(width) == 1 for width in widths)


def test_a_partial_run_says_what_is_missing_and_compares_what_is_there(tmp_path: Path) -> None:
    """ResNet34 is still training towards its second period."""
    facts, page = told(
        tmp_path, finished=lambda task: not ("resnet34" in task.subject and task.epoch == 2)
    )

    assert facts["missing"][0].startswith("2 tasks of 9 not done: 2 open.")
    assert "ResNet34 (seed 0): evaluation after epoch 2 is still to come." in facts["missing"]
    assert "This report is not complete" in page
    assert facts["answer"]["period"] == 1
    assert facts["answer"]["sentence"].startswith("So far, after period 1 of 2 (epoch 1), ")
    assert "not tested yet" in page


def test_a_failed_trial_is_named_with_its_reason(tmp_path: Path) -> None:
    """What waits for it is blocked; the other is compared after the last period."""
    _, run = fill_store(
        tmp_path / "names",
        backbones=PAIR,
        classes=FOUR,
        images_a_class=30,
        periods=2,
        epochs_per_period=1,
        image_size=32,
        pixels=False,
    )
    training = next(
        task for task in run.tasks if task.startswith("train.resnet34") and task.endswith("0002")
    )
    facts, page = told(
        tmp_path,
        classes=FOUR,
        images_a_class=30,
        failed={training: "the loss is <nan> at step 7."},
        finished=lambda t: not ("resnet34" in t.subject and t.epoch == 2),
    )

    assert facts["missing"][0].startswith("2 tasks of 9 not done: 1 failed, 1 blocked.")
    assert (
        facts["missing"][1]
        == "ResNet34 (seed 0): training up to epoch 2 failed: the loss is <nan> at step 7."
    )
    assert "the loss is &lt;nan&gt; at step 7." in page
    assert facts["answer"]["sentence"].endswith("; no other network has been tested.")
    assert facts["attempts"] == [
        {"kind": "evaluate", "state": "done", "failure": "", "attempts": 3},
        {"kind": "prepare", "state": "done", "failure": "", "attempts": 1},
        {"kind": "train", "state": "done", "failure": "", "attempts": 3},
        {"kind": "train", "state": "failed", "failure": "bad-image", "attempts": 1},
    ]


def test_a_run_with_nothing_done_is_an_error_with_exit_code_1(tmp_path: Path) -> None:
    """It says how far the run is, and writes nothing."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=PAIR,
        classes=("ape", "bear"),
        pixels=False,
        finished=lambda task: task.kind == "prepare",
    )
    with pytest.raises(OrchError, match="has no results to report yet") as caught:
        write.write_report(store, run, tmp_path / "out")

    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_training_without_a_test_yet_has_curves_and_no_leader(tmp_path: Path) -> None:
    """The first evaluations are still to come."""
    facts, page = told(tmp_path, finished=lambda task: task.kind != "evaluate")

    assert facts["answer"]["sentence"].startswith("No network has been tested yet")
    assert len(facts["curves"]) == 4
    assert "Confusion matrices" not in page


def test_several_seeds_are_told_as_mean_and_deviation(tmp_path: Path) -> None:
    """Three seeds: spreads in the tables, each seed's counts in JSON, matrices summed."""
    facts, markdown = told(tmp_path, seeds=3, images_a_class=80)
    last = next(s for s in facts["standings"] if s["period"] == 2 and s["backbone"] == "resnet34")
    shares = [trial["test"]["accuracy"] for trial in last["trials"]]
    matrix = next(m for m in facts["confusion"] if m["backbone"] == "resnet34" and m["period"] == 2)

    assert last["accuracy"]["n"] == len(shares) == 3
    assert last["accuracy"]["mean"] == pytest.approx(sum(shares) / 3)
    assert sum(map(sum, matrix["counts"])) == sum(
        trial["test"]["total"] for trial in last["trials"]
    )
    assert "(mean ± deviation over 3 seeds)" in facts["answer"]["sentence"]
    assert "one seed" not in markdown.lower()
    assert (
        "| Network | Test accuracy | ± accuracy | 95% interval | Test loss | ± loss |" in markdown
    )


def test_one_period_has_one_table(tmp_path: Path) -> None:
    """First and last are the same."""
    facts, markdown = told(tmp_path, periods=1, backbones=["scratch"])

    assert "*All epochs, epoch 1*" in markdown
    assert "figures/val-loss-all.png" in markdown
    assert "val-loss-period-1" not in markdown
    assert "First period" not in markdown
    assert {standing["period"] for standing in facts["standings"]} == {1}


def test_absent_pixels_are_said(tmp_path: Path) -> None:
    """A store may keep the results alone."""
    facts, markdown = told(tmp_path, backbones=["scratch"], periods=1)

    assert "The prepared pixels are not in this store" in markdown
    assert facts["data"]["pixels_there"] is False
    assert "figures/samples" not in markdown
