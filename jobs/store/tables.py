"""Rows in Parquet and back; the schemas in one place.

A hive-partitioned data set any tool can open: `<store>/results/<table>/trial=<trial>/*.parquet`. The column
`trial` is the partition and is not repeated inside the files.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs import atomic
from jobs.errors import DamagedFile
from jobs.store import records

_NAME = pa.dictionary(pa.int32(), pa.string())
_WHO = [
    ("backbone", pa.string()),
    ("seed", pa.int64()),
    ("period", pa.int64()),
    ("epoch", pa.int64()),
]
_WHEN = pa.timestamp("us", tz="UTC")

SCHEMAS: dict[str, pa.Schema] = {
    "epochs": pa.schema(
        [
            *_WHO,
            ("train_loss", pa.float64()),
            ("val_loss", pa.float64()),
            ("val_accuracy", pa.float64()),
            ("learning_rate", pa.float64()),
            ("seconds", pa.float64()),
            ("images_per_second", pa.float64()),
        ]
    ),
    "evaluations": pa.schema(
        [
            *_WHO,
            ("corruption", pa.string()),
            ("severity", pa.int64()),
            ("loss", pa.float64()),
            ("correct", pa.int64()),
            ("total", pa.int64()),
            ("accuracy", pa.float64()),
            ("seconds", pa.float64()),
        ]
    ),
    "predictions": pa.schema(
        [
            *_WHO,
            ("image", pa.string()),
            ("label", _NAME),
            ("predicted", _NAME),
            ("confidence", pa.float32()),
            ("label_confidence", pa.float32()),
            ("label_rank", pa.int32()),
        ]
    ),
    "attempts": pa.schema(
        [
            ("task", pa.string()),
            ("kind", pa.string()),
            ("run", pa.string()),
            ("attempt", pa.int64()),
            ("state", pa.string()),
            ("failure", pa.string()),
            ("worker", pa.string()),
            ("host", pa.string()),
            ("device", pa.string()),
            ("queued_at", _WHEN),
            ("started_at", _WHEN),
            ("finished_at", _WHEN),
        ]
    ),
}
"""Losses are mean cross entropy (nats an image); accuracies are shares 0..1; `seconds` is wall time; `confidence` is
the softmax of the predicted class, `label_confidence` of the true one, `label_rank` 0 when the true class came first.
`corruption` is `none` and `severity` 0 for the test set as it is."""

MANIFEST = pa.schema(
    [
        ("path", pa.string()),
        ("label", _NAME),
        ("split", _NAME),
        ("sha256", pa.string()),
        ("pixels", pa.string()),
    ]
)
"""A prepared data set: row i describes image i of the array. `sha256` is of the file, `pixels` of the stored pixels."""

INVENTORY = pa.schema(
    [("path", pa.string()), ("label", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64())]
)
"""The files that a data set is to be made of, as submitted."""

NEVER_NULL = {
    "backbone",
    "seed",
    "period",
    "epoch",
    "correct",
    "total",
    "loss",
    "image",
    "label",
    "predicted",
    "confidence",
    "task",
    "kind",
    "attempt",
    "state",
    "path",
    "split",
    "sha256",
    "pixels",
    "bytes",
}


FEW = 100
"""Rows up to which a file is drawn up in memory, uncompressed: it is as small, and takes a third of the time."""

DATA_SETS = "__HIVE_DEFAULT_PARTITION__"
"""The partition of attempts that belong to no trial: hive's own word for null, which every reader knows."""


def table_folder(table: str, trial: str) -> str:
    """Where a trial's rows of a table lie, relative to the store."""
    return f"results/{table}/trial={trial}"


def build_table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table in the schema's columns and types."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMAS[name])


def write_table(path: Path, table: pa.Table, durable: bool = True) -> None:
    """One Parquet file, whole or not at all; one that is not `durable` may be missing after a power cut, never torn."""
    with atomic.atomic_write(path, durable) as draft:
        if table.num_rows > FEW:
            pq.write_table(table, draft, compression="zstd")
        else:
            drawn_up = pa.BufferOutputStream()
            pq.write_table(table, drawn_up, compression="none", use_dictionary=False)
            draft.write_bytes(drawn_up.getvalue())
        if not durable:
            atomic.sync(draft)


def read_files(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows of some Parquet files, in their order; raises `DamagedFile`."""
    return [row for path in paths for row in _whole(path, None).to_pylist()]


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one Parquet file, held against a schema; raises `DamagedFile`, naming the file."""
    names = list(schema.names if columns is None else columns)
    found = _whole(path, names)
    for name in names:
        kind = found.schema.field(name).type if name in found.column_names else None
        if kind != schema.field(name).type:
            raise _damaged(
                path, f"its column '{name}' is {kind or 'missing'}, not {schema.field(name).type}"
            )
        if name in NEVER_NULL and found[name].null_count:
            raise _damaged(path, f"its column '{name}' has gaps")
    if {"correct", "total"} <= {*names}:
        counts = zip(found["correct"].to_pylist(), found["total"].to_pylist(), strict=True)
        wrong = next((pair for pair in counts if not 0 <= pair[0] <= pair[1]), None)
        if wrong:
            raise _damaged(path, f"{wrong[0]} of {wrong[1]} images right is no count")
    return found


def read_rows(
    store: Path, table_name: str, trials: Sequence[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """All published rows of these trials, with the column `trial`; an empty table where there are none.

    Raises `DamagedFile`, naming the first file that is not whole.
    """
    parts = []
    for trial in trials:
        where = store / table_folder(table_name, trial)
        for name in atomic.list_names(where):
            if name.endswith(".parquet"):
                wanted = None if columns is None else [c for c in columns if c != "trial"]
                part = read_table(where / name, SCHEMAS[table_name], wanted)
                parts.append(
                    part.append_column("trial", pa.array([trial] * part.num_rows, pa.string()))
                )
    if not parts:
        schema = SCHEMAS[table_name].append(pa.field("trial", pa.string()))
        return (
            schema.empty_table() if columns is None else schema.empty_table().select(list(columns))
        )
    joined = pa.concat_tables(parts).unify_dictionaries()
    return joined if columns is None else joined.select(list(columns))


def _damaged(path: Path, reason: str) -> DamagedFile:
    return records.damaged_file(
        path, reason, "Take it out, to be made again, with: orch verify RUN --repair"
    )


def _whole(path: Path, columns: Sequence[str] | None) -> pa.Table:
    """What a Parquet file holds of these columns, every value looked at."""
    try:
        found = pq.ParquetFile(path).read(columns=columns)
        found.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise
        raise _damaged(path, " ".join(str(error).split())[:120].rstrip(".")) from None
    return found
