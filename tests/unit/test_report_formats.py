"""Other formats than the page: LaTeX, CSV and Parquet; any period; several runs side by side;
reused folders.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import fill_store
from support.told_reports import told_report

from jobs.errors import RequestError
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import analysis, run_data
from orchestrator.analysis.multi_run import ComparedRun, analyse_runs
from orchestrator.report import first_sentence, multi_run, write
from orchestrator.report.rendering import elements, latex, wording
from orchestrator.report.rendering.elements import Table

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    r"a_b & 50% #1 \end{document}",
    "$x^2$ ~ {|}",
    "中文 [x]",
)
TRIO = ["resnet34", "alexnet", "scratch"]


def small(root: Path, **changes: Any) -> tuple[Store, Run]:
    """A run of three networks and two classes, without pixels."""
    asked = {
        "backbones": TRIO,
        "classes": ("ape", "bear"),
        "images_a_class": 30,
        "periods": 3,
        "epochs_per_period": 1,
        "image_size": 64,
        "pixels": False,
        **changes,
    }
    return fill_store(root / "store", **asked)


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report in every format, with difficult class names."""
    root = tmp_path_factory.mktemp("forms")
    store, run = small(root, classes=HOSTILE, periods=2, seeds=2)
    return write.write_report(store, run, root / "out", formats=write.FORMATS).parent


def test_csv_parquet_and_json_tell_the_same_unrounded(forms: Path) -> None:
    """Accuracies to the last digit, class names as they are."""
    facts = json.loads((forms / "report.json").read_text())
    parquet = pq.read_table(forms / "tables" / "results.parquet").to_pylist()
    csv = pyarrow.csv.read_csv(forms / "tables" / "results.csv").to_pylist()
    told = {
        (s["backbone"], s["period"], t["seed"]): t["test"]["accuracy"]
        for s in facts["standings"]
        for t in s["trials"]
    }

    assert {(r["backbone"], r["period"], r["seed"]): r["accuracy"] for r in parquet} == told
    assert [row["accuracy"] for row in csv] == [row["accuracy"] for row in parquet]
    assert set(pq.read_table(forms / "tables" / "classes.parquet")["label"].to_pylist()) == set(
        HOSTILE
    )


def test_the_matrix_of_networks_by_images_is_whole(forms: Path) -> None:
    """One row per image, one prediction per network, and how many were correct."""
    rows = pq.read_table(forms / "tables" / "images.parquet").to_pylist()
    facts = json.loads((forms / "report.json").read_text())
    first = next(s for s in facts["standings"] if s["backbone"] == "resnet34" and s["period"] == 2)[
        "trials"
    ][0]

    assert len(rows) == first["test"]["total"]
    assert sum(row["resnet34"] == row["label"] for row in rows) == first["test"]["correct"]
    assert all(
        row["networks_right"] == sum(row[name] == row["label"] for name in TRIO) for row in rows
    )


def test_the_latex_compiles_with_hostile_names(forms: Path) -> None:
    """No error from pdflatex, where it is installed."""
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no pdflatex on this machine: apt-get install texlive-latex-base")
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=forms,
        capture_output=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")
    assert (forms / "report.pdf").stat().st_size > 10_000


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2))
def test_any_text_is_text_in_latex(cells: list[str]) -> None:
    """Only ASCII is written, braces balance, a row has one separator and one end, and only our
    commands begin.
    """
    told = latex.tabular(Table(("A", "B"), (tuple(cells),)))
    row = told.splitlines()[5]
    bare = re.sub(r"\\[{}$&#_%]", "", row.removesuffix(r" \\"))
    ours = {
        "textbackslash",
        "textasciitilde",
        "textasciicircum",
        "textless",
        "textgreater",
        "textbar",
        "textquotedbl",
        "textasciigrave",
        "ldots",
        "geq",
        "uni",
        "pm",
        "cdot",
        "times",
        "surd",
    }

    assert told.isascii()
    assert bare.count("{") == bare.count("}")
    assert bare.count("&") == 1
    assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= ours
    assert not set(re.findall(r"\\(.)", bare)) - {name[0] for name in ours}


def test_any_period_can_be_chosen(tmp_path: Path) -> None:
    """The second of three is shown, tested and named; the last is not."""
    store, run = small(tmp_path)
    page, facts, _ = told_report(store, run, periods=[2])

    assert facts["answer"]["period"] == 2
    assert facts["answer"]["sentence"].startswith("After period 2 of 3 (epoch 2), ")
    assert {matrix["period"] for matrix in facts["confusion"]} == {2}
    assert "Period 2, epoch 2" in page
    assert "Last period" not in page


@pytest.mark.parametrize("period", [0, 4])
def test_a_period_that_is_not_there_is_refused(tmp_path: Path, period: int) -> None:
    """Before anything is written."""
    store, run = small(tmp_path)
    with pytest.raises(RequestError, match=f"--period {period}: the run .+ has periods 1 to 3"):
        write.write_report(store, run, tmp_path / "out", periods=[period])

    assert not (tmp_path / "out").exists()


def test_a_form_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message lists the known formats."""
    store, run = small(tmp_path)
    with pytest.raises(
        RequestError,
        match=r"--format pdf: unknown format\. Give one or more of html, md, json, latex",
    ):
        write.write_report(store, run, tmp_path / "out", formats=["html", "pdf"])


def test_a_smaller_report_leaves_nothing_of_a_larger_one_behind(tmp_path: Path) -> None:
    """But files of another origin are kept."""
    store, run = small(tmp_path)
    out = tmp_path / "out"
    write.write_report(store, run, out, formats=write.FORMATS)
    (out / "figures" / "mine.svg").write_text("mine")
    write.write_report(store, run, out, periods=[1], formats=["md"])
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}

    assert "figures/confusion-scratch-period-3.png" not in left
    assert {name for name in left if not name.startswith("figures/")} == {
        "report.md",
        "report.files",
    }
    assert "figures/mine.svg" in left
    assert left >= set(re.findall(r"\]\((\S+?)\)", (out / "report.md").read_text()))


def test_two_runs_stand_side_by_side(tmp_path: Path) -> None:
    """Differences are named, equal settings are not; ranks over both; each run's own report is in a
    subfolder.
    """
    store, one = small(tmp_path, name="short", periods=2, seeds=2)
    _, other = small(tmp_path, name="long", periods=3)
    page, sentence = write.write_comparison(store, [one, other], tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    markdown = (tmp_path / "out" / "report.md").read_text()

    assert facts["ranks"]["blocks"] == 3
    assert "has the best mean rank" in facts["answer"]["sentence"] == sentence
    assert [run["epoch"] for run in facts["runs"]] == [2, 3]
    assert {entry["backbone"] for entry in facts["across"]} == set(TRIO)
    assert "| spec.seeds | 2 | 1 |" in markdown
    assert "spec.batch" not in markdown
    assert all((tmp_path / "out" / name / "report.html").exists() for name in ("short", "long"))
    assert 'href="short/report.html"' in page.read_text()


def sides(store: Store, *runs: Run) -> list[ComparedRun]:
    """Some measures of several runs."""
    read = [run_data.read_run_data(store, run) for run in runs]
    return [ComparedRun(each, analysis.analyse(each)) for each in read]


def test_runs_tested_on_harder_images_have_them_side_by_side(tmp_path: Path) -> None:
    """On the corruptions that all have; a run without them has no column."""
    store, one = small(tmp_path, name="one", periods=1, harder=["blur", "noise"])
    _, other = small(tmp_path, name="other", periods=2, harder=["blur"])
    _, plain = small(tmp_path, name="plain", periods=3)
    runs = sides(store, one, other, plain)
    page = multi_run.assemble(runs, analyse_runs(runs), {run.name: "" for run in runs})
    harder = next(section for section in page.sections if section.place == "corruptions")
    tables = elements.tables([harder])

    assert "the corruptions that all were evaluated on (blur)" in harder.lead
    assert [table.head for table in tables] == [("Network", "one", "other")] * 2
    assert all(
        {row[0] for row in table.rows} == {wording.title(name) for name in TRIO} for table in tables
    )
    assert all("–" not in row for table in tables for row in table.rows)


def test_a_matrix_of_few_cells_is_shown_small(tmp_path: Path) -> None:
    """Its width in the page is bounded by what was drawn, not only by the page."""
    store, run = fill_store(
        tmp_path, backbones=["scratch", "resnet34"], classes=["cat", "dog"], periods=1
    )
    page = write.write_report(store, run, tmp_path / "out", formats=["html"]).read_text()
    bounds = [int(width) for width in re.findall(r"--most: (\d+)px", page)]

    assert len(bounds) == 3
    assert max(bounds) < 360
    assert "max-width: min(440px, var(--most" in page


def test_a_lead_that_may_be_chance_is_called_so(tmp_path: Path) -> None:
    """Seventeen images are too few for a significant difference; the first sentence says so, side
    by side too.
    """
    (side,) = sides(
        *small(
            tmp_path,
            backbones=["scratch", "resnet34"],
            classes=("ape", "bear", "cat", "dog"),
            images_a_class=20,
            periods=1,
        )
    )
    sentence = first_sentence.sentence(side.run_data, side.analysis)
    beside = multi_run.sentence([side], analyse_runs([side]))

    assert not re.search("ahead|leads", sentence)
    assert "are too close to call on " in sentence
    assert beside.endswith(f"In {side.name} the first place may be chance.")


def test_a_lead_of_one_seed_is_not_called_chance(tmp_path: Path) -> None:
    """The test images tell the two apart; the run's own first sentence says the same."""
    (side,) = sides(
        *small(tmp_path, backbones=["scratch", "vgg16"], images_a_class=200, periods=1, name="one")
    )
    beside = multi_run.sentence([side], analyse_runs([side]))

    assert "is ahead on these images" in first_sentence.sentence(side.run_data, side.analysis)
    assert beside.endswith(" In one the first is ahead on the test images, with one seed.")


def test_the_order_of_runs_changes_no_number(tmp_path: Path) -> None:
    """Ranks are the same; differences change their sign."""
    store, one = small(tmp_path, name="one", periods=1)
    _, other = small(tmp_path, name="other", periods=2)
    told = []
    for place, runs in (("a", [one, other]), ("b", [other, one])):
        write.write_comparison(store, runs, tmp_path / place, formats=["json"])
        told.append(json.loads((tmp_path / place / "report.json").read_text()))

    assert told[0]["ranks"] == told[1]["ranks"]
    assert [e["difference"] for e in told[0]["across"]] == [
        -e["difference"] for e in told[1]["across"]
    ]
    assert [e["p_holm"] for e in told[0]["across"]] == [e["p_holm"] for e in told[1]["across"]]
