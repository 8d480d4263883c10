"""Rows in Parquet and back; the schemas in one place.

A hive-partitioned data set any tool can open: `<store>/results/<table>/trial=<trial>/*.parquet`. The column
`trial` is the partition and is not repeated inside the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs import files

_NAME = pa.dictionary(pa.int32(), pa.string())
_WHO = [("backbone", pa.string()), ("seed", pa.int64()), ("period", pa.int64()), ("epoch", pa.int64())]
_WHEN = pa.timestamp("us", tz="UTC")

SCHEMAS: dict[str, pa.Schema] = {
    "epochs": pa.schema([
        *_WHO, ("train_loss", pa.float64()), ("val_loss", pa.float64()), ("val_accuracy", pa.float64()),
        ("learning_rate", pa.float64()), ("seconds", pa.float64()), ("images_per_second", pa.float64()),
    ]),
    "evaluations": pa.schema([
        *_WHO, ("corruption", pa.string()), ("severity", pa.int64()), ("loss", pa.float64()),
        ("correct", pa.int64()), ("total", pa.int64()), ("accuracy", pa.float64()), ("seconds", pa.float64()),
    ]),
    "predictions": pa.schema([
        *_WHO, ("image", pa.string()), ("label", _NAME), ("predicted", _NAME), ("confidence", pa.float32()),
        ("label_confidence", pa.float32()), ("label_rank", pa.int32()),
    ]),
    "attempts": pa.schema([
        ("task", pa.string()), ("kind", pa.string()), ("run", pa.string()), ("attempt", pa.int64()),
        ("state", pa.string()), ("failure", pa.string()), ("worker", pa.string()), ("host", pa.string()),
        ("device", pa.string()), ("queued_at", _WHEN), ("started_at", _WHEN), ("finished_at", _WHEN),
    ]),
}
"""Losses are mean cross entropy (nats an image); accuracies are shares 0..1; `seconds` is wall time; `confidence` is
the softmax of the predicted class, `label_confidence` of the true one, `label_rank` 0 when the true class came first.
`corruption` is `none` and `severity` 0 for the test set as it is."""

MANIFEST = pa.schema([
    ("path", pa.string()), ("label", _NAME), ("split", _NAME), ("sha256", pa.string()), ("pixels", pa.string()),
])
"""A prepared data set: row i describes image i of the array. `sha256` is of the file, `pixels` of the stored pixels."""


def folder(table: str, trial: str) -> str:
    """Where a trial's rows of a table lie, relative to the store."""
    return f"results/{table}/trial={trial}"


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table in the schema's columns and types."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMAS[name])


def write(path: Path, table: pa.Table) -> None:
    """One Parquet file, whole or not at all."""
    with files.landing(path) as draft:
        pq.write_table(table, draft, compression="zstd")


def read_files(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows of some Parquet files, in their order."""
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def read(store: Path, table: str, trials: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
    """All published rows of these trials, with the column `trial`; an empty table where there are none."""
    parts = []
    for trial in trials:
        where = store / folder(table, trial)
        for name in files.names(where):
            if name.endswith(".parquet"):
                wanted = None if columns is None else [c for c in columns if c != "trial"]
                part = pq.ParquetFile(where / name).read(columns=wanted)
                parts.append(part.append_column("trial", pa.array([trial] * part.num_rows, pa.string())))
    if not parts:
        schema = SCHEMAS[table].append(pa.field("trial", pa.string()))
        return schema.empty_table() if columns is None else schema.empty_table().select(list(columns))
    joined = pa.concat_tables(parts).unify_dictionaries()
    return joined if columns is None else joined.select(list(columns))
