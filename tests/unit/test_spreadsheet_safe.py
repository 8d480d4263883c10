"""CSV files that people open in a spreadsheet: no text of a colleague's folder runs there."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from orchestrator.report import write


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-cat", "'-cat"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("-1.5e-3", "-1.5e-3"),
        ("+4", "+4"),
        ("-", "'-"),
        ("cat=dog", "cat=dog"),
        ("", ""),
    ],
)
def test_text_that_begins_like_a_formula_is_escaped(text: str, written: str) -> None:
    """In cells of text, also of few different values, and in names of columns; nulls stay."""
    plain = pa.array([text, None])
    table = pa.table({"text": plain, "kind": plain.dictionary_encode(), text or "none": [1, 2]})
    rows = list(csv.reader(io.StringIO(write._table(table, "csv").decode())))

    assert rows[0][2] == (written or "none")
    assert rows[1:] == [[written, written, "1"], ["", "", "2"]]


def test_numbers_stay_numbers() -> None:
    """Negative ones too."""
    table = pa.table({"delta": [-1.5, 2.0], "count": [-3, 4]})

    assert write._table(table, "csv") == b'"delta","count"\n-1.5,-3\n2,4\n'


def test_parquet_keeps_text_as_it_is() -> None:
    """Programs read it, and no spreadsheet runs it."""
    import pyarrow.parquet as pq

    table = pa.table({"text": ["=1+1"]})

    assert pq.read_table(pa.BufferReader(write._table(table, "parquet"))).equals(table)
