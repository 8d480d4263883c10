"""A new metric and a new section are found in all of a report, with nothing else done by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import new_entries
from support.fakes import fill_store

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from orchestrator.report import reference_tables, write


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A comparison of one run, in all formats, with the run's own report in `run`."""
    folder = tmp_path_factory.mktemp("report")
    store, run = fill_store(
        folder / "store",
        backbones=["scratch"],
        classes=("ape", "bear"),
        periods=1,
        pixels=False,
        name="run",
    )
    with pytest.MonkeyPatch.context() as patch:
        new_entries.add_to_report(patch)
        write.write_comparison(store, [run], folder / "out", formats=write.FORMATS)
        yield folder / "out"


def test_a_metric_of_predictions_is_in_every_format(out: Path) -> None:
    """In tables, JSON, LaTeX and data tables, of one run and of several."""
    own = json.loads((out / "run" / "report.json").read_text())
    standing = own["standings"][0]

    assert own["metrics"]["surest"]["help"] == "confidence of the surest answer"
    assert 0 < standing["metrics"]["surest"]["mean"] <= 1
    assert standing["trials"][0]["metrics"]["surest"] == standing["metrics"]["surest"]["mean"]
    for name in ("run/report.html", "run/report.md", "run/tables/metrics-1.tex", "report.html"):
        assert "Highest confidence" in (out / name).read_text(), name
    for name in ("run/tables/results.csv", "tables/runs.csv"):
        assert '"surest"' in (out / name).read_text().splitlines()[0], name
    assert (out / "tables" / "surest.tex").exists()
    assert "| Highest confidence | `surest` | higher |" in "\n".join(reference_tables.metrics())


def test_a_metric_of_evaluations_is_a_column_of_the_results(out: Path) -> None:
    """Beside accuracy and loss, before the training time."""
    head = (out / "run" / "tables" / "period-1.tex").read_text()

    assert r"\textbf{Test loss} & \textbf{Wrong answers} & \textbf{Training time}" in head


def test_a_section_is_on_the_page_in_its_contents_and_in_every_format(out: Path) -> None:
    """With its table and its figure."""
    page = (out / "run" / "report.html").read_text()

    assert '<a href="#hardware">Hardware</a>' in page
    assert '<section id="hardware">' in page
    assert "## Hardware" in (out / "run" / "report.md").read_text()
    assert "| Scratch | cpu |" in (out / "run" / "report.md").read_text()
    assert (out / "run" / "figures" / "hardware.svg").exists()
    assert r"\input{tables/hardware.tex}" in (out / "run" / "report.tex").read_text()
    assert "| Hardware | the devices of the run |" in reference_tables.sections()
