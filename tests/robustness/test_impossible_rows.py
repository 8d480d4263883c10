"""Whole tables with impossible values: the report is made all the same, or names the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.parquet_damage import stored, table
from support.refusals import Terminal, refusal
from support.stores import fill_small_store, replaced, table_path

from jobs.errors import DamagedFile
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis.run_data import read_run_data
from orchestrator.report import write

NAN, INF = float("nan"), float("inf")
SCRIPT = "<script>alert(1)</script>"

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("evaluations", {"correct": 99}, "99 of "),
    ("evaluations", {"correct": -1}, "-1 of "),
    ("evaluations", {"total": 0}, " of 0 images correct is not a valid count"),
    ("evaluations", {"total": -5}, " of -5 images correct is not a valid count"),
]
TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("evaluations", {"loss": NAN, "accuracy": 7.0}),
    ("evaluations", {"epoch": -1, "loss": INF}),
    ("evaluations", {"corruption": None, "severity": None}),
    (
        "epochs",
        {"train_loss": NAN, "val_accuracy": -1.0, "seconds": -1.0, "learning_rate": INF},
    ),
    ("epochs", {"seconds": None, "val_loss": None, "learning_rate": None}),
    ("epochs", {"epoch": 0}),
    ("predictions", {"label": "unicorn", "confidence": NAN}),
    ("predictions", {"epoch": 99}),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A store of its own for these tests, which put back what they change."""
    return fill_small_store(tmp_path_factory.mktemp("impossible") / "store")


def with_values(path: Path, name: str, change: dict[str, Any]) -> bytes:
    """The table in a file with other values in each of its rows."""
    rows = [row | change for row in table(path.read_bytes()).to_pylist()]
    return stored(pa.Table.from_pylist(rows, schema=tables.SCHEMAS[name]))


@pytest.mark.parametrize(("name", "change", "words"), REFUSED, ids=[str(row[1]) for row in REFUSED])
def test_rows_that_cannot_be_counted_are_damage(
    name: str, change: dict[str, Any], words: str, filled: tuple[Store, Run]
) -> None:
    """The line names the file and the values."""
    path = table_path(*filled, name)

    with replaced(path, with_values(path, name, change)):
        line = refusal(DamagedFile, read_run_data, *filled)

    assert f"{path} is damaged: " in line
    assert words in line
    assert "images correct is not a valid count" in line


@pytest.mark.parametrize(("name", "change"), TAKEN, ids=[f"{row[0]}: {row[1]}" for row in TAKEN])
def test_a_report_is_made_of_rows_that_cannot_be(
    name: str, change: dict[str, Any], filled: tuple[Store, Run], tmp_path: Path
) -> None:
    """Impossible values are told or left out."""
    path = table_path(*filled, name)

    with replaced(path, with_values(path, name, change)):
        page = write.write_report(*filled, tmp_path / "out")

    assert page == tmp_path / "out" / "report.html"
    assert page.stat().st_size > 0


def test_report_shows_no_traceback_for_rows_that_cannot_be(terminal_with_run: Terminal) -> None:
    """It names the table, or makes a report in which no value becomes part of the script."""
    store = Store(terminal_with_run.folder / "orch-store")
    evaluations, predictions = (
        table_path(store, store.load_run("study"), name) for name in ("evaluations", "predictions")
    )
    strange = {"predicted": SCRIPT, "image": "../../etc/passwd", "confidence": 7.0}
    predictions.write_bytes(with_values(predictions, "predictions", strange))

    with replaced(evaluations, with_values(evaluations, "evaluations", {"correct": 99})):
        terminal_with_run.refuses(
            ("report", "study", "--out", "out"), f"{evaluations} is damaged", code=1
        )
    code, _, stderr = terminal_with_run.run("report", "study", "--out", "out")

    assert code == 0
    assert stderr == ""
    assert "<script>alert(1)" not in (terminal_with_run.folder / "out" / "report.html").read_text()
