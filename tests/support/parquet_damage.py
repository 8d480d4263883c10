"""Ways to damage a Parquet file, from no byte left to a column of another kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from jobs.store.tables import ADDED_LATER

Change = Callable[[bytes], bytes]


def table(contents: bytes) -> pa.Table:
    """The rows in a Parquet file's bytes."""
    return pq.ParquetFile(io.BytesIO(contents)).read()


def stored(rows: pa.Table, **how: Any) -> bytes:
    """The rows as a Parquet file's bytes."""
    handle = io.BytesIO()
    pq.write_table(rows, handle, **how)
    return handle.getvalue()


def column(rows: pa.Table, last: bool) -> int:
    """The place of a column that every reader takes: the first, or the last that every version of
    orch writes; predictions are read in part.
    """
    if "predicted" in rows.column_names:
        return int(rows.column_names.index("predicted" if last else "image"))
    names = [name for name in rows.column_names if name not in ADDED_LATER]
    return int(rows.column_names.index(names[-1 if last else 0]))


def without(last: bool) -> Change:
    """A column left out."""

    def change(contents: bytes) -> bytes:
        rows = table(contents)
        return stored(rows.remove_column(column(rows, last)))

    return change


def retyped(kind: pa.DataType, last: bool) -> Change:
    """A column full of nothing and of another kind."""

    def change(contents: bytes) -> bytes:
        rows = table(contents)
        place = column(rows, last)
        return stored(
            rows.set_column(place, rows.column_names[place], pa.nulls(rows.num_rows, kind))
        )

    return change


def with_gaps(contents: bytes) -> bytes:
    """A column of texts without a value in its first row."""
    rows = table(contents)
    place = column(rows, last=False)
    values = rows.column(place).combine_chunks()
    gap = pa.concat_arrays([pa.nulls(1, values.type), values[1:]])
    return stored(rows.set_column(place, rows.column_names[place], gap))


def as_feather(contents: bytes) -> bytes:
    """The same rows in another format."""
    handle = io.BytesIO()
    pyarrow.feather.write_feather(table(contents), handle)
    return handle.getvalue()


def pages_turned(contents: bytes) -> bytes:
    """Bytes turned where the values lie, the footer left whole."""
    footer = footer_of(contents)
    return contents[:4] + bytes(byte ^ 0x5A for byte in contents[4:footer]) + contents[footer:]


def footer_turned(contents: bytes) -> bytes:
    """The first bytes of the footer turned."""
    footer = footer_of(contents)
    return (
        contents[:footer]
        + bytes(byte ^ 0xFF for byte in contents[footer : footer + 20])
        + contents[footer + 20 :]
    )


def footer_of(contents: bytes) -> int:
    """Where the footer of a Parquet file begins."""
    return len(contents) - 8 - int.from_bytes(contents[-8:-4], "little")


UNREADABLE: dict[str, Change] = {
    "empty": lambda contents: b"",
    "one byte": lambda contents: b"P",
    "the first word only": lambda contents: b"PAR1",
    "the first and the last word": lambda contents: b"PAR1PAR1",
    "an endless footer": lambda contents: b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
    "zeros": lambda contents: bytes(len(contents)),
    "text": lambda contents: b"trial,epoch,loss\nx,1,0.5\n",
    "JSON": lambda contents: b'{"epoch": 1}',
    "a page": lambda contents: b"<html>502 Bad Gateway</html>",
    "feather": as_feather,
    **{
        f"cut to {share} in 10": (
            lambda contents, share=share: contents[: len(contents) * share // 10]
        )
        for share in range(1, 10)
    },
    "without its last byte": lambda contents: contents[:-1],
    "without its first byte": lambda contents: contents[1:],
    "its last word turned": lambda contents: contents[:-1] + b"2",
    "its footer turned": footer_turned,
    "its pages turned": pages_turned,
    "its footer only": lambda contents: contents[-(len(contents) // 2) :],
}
"""What no reader of Parquet takes."""

OF_OTHER_COLUMNS: dict[str, tuple[Change, str]] = {
    "no column": (lambda contents: stored(pa.table({})), "is missing, not "),
    "other columns": (
        lambda contents: stored(pa.table({"a": [1], "b": ["x"]})),
        "is missing, not ",
    ),
    "the first column missing": (without(last=False), "is missing, not "),
    "the last column missing": (without(last=True), "is missing, not "),
    "numbers for a name": (retyped(pa.int64(), last=False), "is int64, not string"),
    "texts for the last column": (retyped(pa.binary(), last=True), "is binary, not "),
    "lists for the last column": (
        retyped(pa.list_(pa.int64()), last=True),
        "is list<element: int64>, not ",
    ),
    "times for the last column": (retyped(pa.duration("s"), last=True), "is duration[s], not "),
    "gaps": (with_gaps, "has missing values"),
}
"""Whole files of other columns, and how they are described."""

DAMAGES: dict[str, tuple[Change, str]] = {
    **{name: (change, "is damaged: ") for name, change in UNREADABLE.items()},
    **{name: (change, f" {words}") for name, (change, words) in OF_OTHER_COLUMNS.items()},
}
