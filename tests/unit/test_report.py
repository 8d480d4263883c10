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
    "risk-coverage",
    "cost-seconds",
    "cost-gmacs",
    "decision",
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
    """No script but the one inside, no address but `data:` and places within the page."""
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
    """Nine curves, fourteen matrices, and what `OTHERS` names."""
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
    """Each link is a file beside it."""
    links = re.findall(r"\]\((\S+?)\)", (finished[0].parent / "report.md").read_text())

    assert len(links) == 23 + len(OTHERS)
    assert all((finished[0].parent / link).is_file() for link in links)


def test_json_documents_its_keys_and_agrees_with_itself(finished: tuple[Path, Any]) -> None:
    """Counts, shares and confusion sums tell the same story, unrounded."""
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
    """Pages, pictures and figures alike."""
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


def test_a_missing_extra_is_named_with_its_remedy() -> None:
    """The controller may be installed without it."""
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
    """Three all right, six disputed, three all wrong; where a kind runs short the others
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
