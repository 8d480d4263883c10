"""The report of a finished run as a page, Markdown, JSON and figures, and why one is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store
from support.html_pages import parsed

from jobs.errors import MissingExtra, RequestError
from orchestrator.analysis import examples
from orchestrator.report import write

OTHERS = {
    "accuracy",
    "classes",
    "samples",
    "answers",
    "differences",
    "reliability",
    "cost-seconds",
    "cost-gmacs",
    "stopping",
    "timeline",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The report of all seven networks, three classes, and its facts."""
    root = tmp_path_factory.mktemp("finished")
    store, run = fill_store(
        root / "store", classes=("ape", "bear", "cat"), image_size=64, skipped=("ape/broken.jpg",)
    )
    page = write.write_report(store, run, root / "out")
    return page, json.loads((root / "out" / "report.json").read_text())


def test_the_page_needs_nothing_but_itself(finished: tuple[Path, Any]) -> None:
    """No script except the inline one, no address except `data:` and anchors within the page."""
    tags = parsed(finished[0]).tags
    places = [
        value
        for _, attributes in tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset") and value
    ]

    assert not {"link", "iframe"} & {tag for tag, _ in tags}
    assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
    assert places
    assert all(place.startswith(("#", "data:image/")) for place in places)
    assert "@import" not in finished[0].read_text()
    assert not re.search(r"url\((?!#|&#34;#)", finished[0].read_text())


def test_the_answer_comes_first_and_one_seed_is_called_one(finished: tuple[Path, Any]) -> None:
    """The heading holds those too close to call, their shares and n."""
    text = "".join(parsed(finished[0]).text)
    sentence = finished[1]["answer"]["sentence"]

    assert re.match(
        r"After the last period \(epoch 6\), .+ \([\d.]+%\) and .+ are too close to call on \d+ "
        r"test images",
        sentence,
    )
    assert text.index(sentence) < text.index("Results")
    assert "One seed: intervals and p-values know the choice of test images only" in text
    assert re.match(
        r".+ took .+ to train and has [\d.]+ million parameters", finished[1]["answer"]["price"]
    )


def test_both_tables_of_the_study_hold_each_network(finished: tuple[Path, Any]) -> None:
    """Loss with six decimals, accuracy with counts, time in words, as the study has them."""
    markdown = (finished[0].parent / "report.md").read_text()
    rows = re.findall(
        r"^\| \**Finetuned SqueezeNet\** \| \**\d+\.\d% \(\d+/\d+\)\** \| \**[\d.–%]+\** \| "
        r"\**\d\.\d{6}\** \| \**\d+m \d\ds\** \|",
        markdown,
        re.MULTILINE,
    )

    assert len(rows) == 2
    assert markdown.index("*Last period, epochs 5–6*") < markdown.index(
        "*First period, epochs 1–2*"
    )


def test_every_figure_is_there_twice_and_every_svg_is_well_formed(
    finished: tuple[Path, Any],
) -> None:
    """Nine curves, fourteen matrices, and the figures that `OTHERS` names."""
    figures = finished[0].parent / "figures"
    drawn = sorted(path.stem for path in figures.glob("*.svg"))
    for path in figures.glob("*.svg"):
        ET.parse(path)

    assert drawn == sorted(path.stem for path in figures.glob("*.png"))
    assert len(drawn) == 9 + 14 + len(OTHERS)
    assert set(drawn) >= OTHERS
    assert {
        "train-loss-period-1",
        "val-accuracy-period-3",
        "confusion-vgg16-period-3",
        "samples",
    } <= set(drawn)


def test_markdown_links_only_figures_that_exist(finished: tuple[Path, Any]) -> None:
    """Each link points to a file in the same folder."""
    links = re.findall(r"\]\((\S+?)\)", (finished[0].parent / "report.md").read_text())

    assert len(links) == 23 + len(OTHERS)
    assert all((finished[0].parent / link).is_file() for link in links)


def test_json_documents_its_keys_and_agrees_with_itself(finished: tuple[Path, Any]) -> None:
    """Counts, shares and confusion sums agree, unrounded."""
    facts = finished[1]
    last = {
        standing["backbone"]: standing for standing in facts["standings"] if standing["period"] == 3
    }
    matrix = next(m for m in facts["confusion"] if m["backbone"] == "vgg16" and m["period"] == 3)
    test = last["vgg16"]["trials"][0]["test"]

    assert set(facts["keys"]) == set(facts)
    assert test["accuracy"] == test["correct"] / test["total"] == last["vgg16"]["accuracy"]["mean"]
    assert sum(map(sum, matrix["counts"])) == test["total"]
    assert sum(matrix["counts"][i][i] for i in range(3)) == test["correct"]
    assert test["wilson_low"] < test["accuracy"] < test["wilson_high"]
    assert sum(facts["questions"]["images"].values()) == test["total"]
    assert facts["missing"] == []


def test_data_facts_tell_duplicates_and_files_left_out(finished: tuple[Path, Any]) -> None:
    """Each class holds one pair; the broken file is named."""
    told = "".join(parsed(finished[0]).text)

    assert finished[1]["data"]["duplicates"] == {
        "images": 6,
        "groups": 3,
        "across_splits": 0,
        "across_classes": 0,
    }
    assert "1 file: ape/broken.jpg" in told
    assert "6 images in 3 groups with equal pixels; none in different splits" in told


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """Pages, images and figures."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch"],
        classes=("ape", "bear"),
        images_a_class=10,
        periods=1,
    )
    pages = [write.write_report(store, run, tmp_path / name).parent for name in ("one", "two")]
    contents = [
        {path.relative_to(page): path.read_bytes() for path in page.rglob("*.*") if path.is_file()}
        for page in pages
    ]

    assert len(contents[0]) > 10
    assert contents[0] == contents[1]


def test_names_come_out_as_text_wherever_they_stand(tmp_path: Path) -> None:
    """Classes and skipped files that look like markup, tables, formulas or templates; rows keep
    their columns.
    """
    html, facts, markdown = small(
        tmp_path, classes=HOSTILE, pixels=True, skipped=("<b>x</b>|y.jpg",), periods=1
    )
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
    html, facts, _ = small(
        tmp_path, finished=lambda task: not ("resnet34" in task.subject and task.epoch == 2)
    )

    assert facts["missing"][0].startswith("2 tasks of 9 not done: 2 open.")
    assert "ResNet34 (seed 0): test after epoch 2 is still to come." in facts["missing"]
    assert "This report is not complete" in html
    assert facts["answer"]["period"] == 1
    assert facts["answer"]["sentence"].startswith("So far, after period 1 of 2 (epoch 1), ")
    assert "not tested yet" in html


def test_a_failed_trial_is_named_with_its_reason(tmp_path: Path) -> None:
    """What waits for it is blocked; the other is compared after the last period."""
    _, run = fill_store(
        tmp_path / "names",
        backbones=PAIR,
        classes=("ape", "bear"),
        images_a_class=10,
        periods=2,
        epochs_per_period=1,
        image_size=32,
        pixels=False,
    )
    training = next(
        task for task in run.tasks if task.startswith("train.resnet34") and task.endswith("0002")
    )
    html, facts, markdown = small(
        tmp_path,
        failed={training: "the loss is <nan> at step 7."},
        finished=lambda t: not ("resnet34" in t.subject and t.epoch == 2),
    )

    assert facts["missing"][0].startswith("2 tasks of 9 not done: 1 failed, 1 blocked.")
    assert (
        facts["missing"][1]
        == "ResNet34 (seed 0): training up to epoch 2 failed: the loss is <nan> at step 7."
    )
    assert "the loss is &lt;nan&gt; at step 7." in html
    assert "the loss is &lt;nan&gt; at step 7." in markdown
    assert facts["answer"]["sentence"].endswith(
        "no other network has been tested. Always answering bear would get 60.0% right."
    )
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
    html, facts, _ = small(tmp_path, finished=lambda task: task.kind != "evaluate")

    assert facts["answer"]["sentence"].startswith("No network has been tested yet")
    assert len(facts["curves"]) == 4
    assert 'id="confusion"' not in html


def test_several_seeds_are_told_as_mean_and_deviation(tmp_path: Path) -> None:
    """Three seeds: spreads in the tables, each seed's counts in JSON, matrices summed."""
    html, facts, markdown = small(tmp_path, seeds=3, images_a_class=30)
    last = next(s for s in facts["standings"] if s["period"] == 2 and s["backbone"] == "resnet34")
    shares = [trial["test"]["accuracy"] for trial in last["trials"]]
    matrix = next(m for m in facts["confusion"] if m["backbone"] == "resnet34" and m["period"] == 2)

    assert last["accuracy"]["n"] == len(shares) == 3
    assert last["accuracy"]["mean"] == pytest.approx(sum(shares) / 3)
    assert sum(map(sum, matrix["counts"])) == sum(
        trial["test"]["total"] for trial in last["trials"]
    )
    assert "(mean ± deviation over 3 seeds)" in facts["answer"]["sentence"]
    assert "one seed" not in html.lower()
    assert (
        "| Network | Test accuracy | ± accuracy | 95% interval | Test loss | ± loss |" in markdown
    )


def test_one_period_has_one_table(tmp_path: Path) -> None:
    """First and last are the same."""
    _, facts, markdown = small(tmp_path, periods=1, backbones=["scratch"])

    assert "*All epochs, epoch 1*" in markdown
    assert "figures/val-loss-all.png" in markdown
    assert "val-loss-period-1" not in markdown
    assert "First period" not in markdown
    assert {standing["period"] for standing in facts["standings"]} == {1}


def test_absent_pixels_are_said(tmp_path: Path) -> None:
    """A store may keep the results alone."""
    html, facts, markdown = small(tmp_path, backbones=["scratch"], periods=1)

    assert "The prepared pixels are not in this store" in html
    assert "The prepared pixels are not in this store" in markdown
    assert facts["data"]["pixels_there"] is False
    assert "<img" not in html


def test_a_missing_extra_is_named_with_its_remedy() -> None:
    """matplotlib may not be installed on the controller."""
    with pytest.raises(MissingExtra, match=r"pip install .*\[report\]"):
        write.need(("no_such_module_as_this",))


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch"],
        classes=("ape", "bear"),
        images_a_class=10,
        periods=1,
        pixels=False,
    )
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RequestError, match="--out"):
        write.write_report(store, run, tmp_path / "out")

    assert (tmp_path / "out").read_text() == "a file"


def test_images_are_chosen_from_every_kind_and_many_classes() -> None:
    """Three all correct, six disputed, three all wrong; if a kind has too few, the others
    fill up.
    """

    def asked(kind: str, number: int) -> examples.Example:
        return examples.Example(f"{kind}{number}", f"class {number % 5}", kind, ())

    many = [asked(kind, number) for kind in examples.KINDS for number in range(20)]
    few = [asked(examples.KINDS[0], number) for number in range(20)] + [asked(examples.KINDS[2], 1)]
    chosen = examples.choose_examples(many)

    assert [sum(q.kind == kind for q in chosen) for kind in examples.KINDS] == [3, 6, 3]
    assert len({q.label for q in chosen}) == 5
    assert [
        sum(q.kind == kind for q in examples.choose_examples(few)) for kind in examples.KINDS
    ] == [11, 0, 1]


def test_the_report_imports_no_torch_and_no_global_figures(tmp_path: Path) -> None:
    """Nor celery; matplotlib only when a report is written."""
    code = (
        "import sys, orchestrator.report; assert 'matplotlib' not in sys.modules, 'early';import "
        "orchestrator.report.page, orchestrator.analysis.run_data;print([m for m in ('torch', "
        "'celery', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
