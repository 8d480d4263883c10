"""Parquet tables: their schemas, and how they are written and read.

The results are a Hive-partitioned data set that Parquet tools can open:
`<store>/results/<table>/trial=<trial>/*.parquet`. The column `trial` is the partition key and is
not repeated inside the files.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs import atomic, permissions
from jobs.catalog.metrics import validated
from jobs.errors import AccessDenied, DamagedFile
from jobs.store import codec, ranking_tables
from jobs.store.benchmark_tables import BENCHMARKS, NEVER_NULL_OF_BENCHMARKS
from jobs.store.columns import NAME, WHO
from jobs.versions import RESULT_PACKAGES

_SUMS = [
    ("loss", pa.float64()),
    ("correct", pa.int64()),
    ("total", pa.int64()),
    ("accuracy", pa.float64()),
    ("seconds", pa.float64()),
    ("recipe", pa.string()),
]
_PREDICTION = [
    ("image", pa.string()),
    ("label", NAME),
    ("predicted", NAME),
    ("confidence", pa.float32()),
    ("label_confidence", pa.float32()),
    ("label_rank", pa.int32()),
    ("recipe", NAME),
]
_WHEN = pa.timestamp("us", tz="UTC")

VALIDATED_LATER = [name for name in validated() if name not in ("val_loss", "val_accuracy")]
"""Metrics of the validation images that `epochs` did not have at first."""

SCHEMAS: dict[str, pa.Schema] = {
    "epochs": pa.schema(
        [
            *WHO,
            ("train_loss", pa.float64()),
            ("val_loss", pa.float64()),
            ("val_accuracy", pa.float64()),
            ("learning_rate", pa.float64()),
            ("seconds", pa.float64()),
            ("images_per_second", pa.float64()),
            ("recipe", pa.string()),
            *((column, pa.float64()) for column in VALIDATED_LATER),
        ]
    ),
    "evaluations": pa.schema(
        [
            *WHO,
            ("corruption", pa.string()),
            ("severity", pa.int64()),
            *_SUMS,
        ]
    ),
    "predictions": pa.schema([*WHO, *_PREDICTION]),
    "validation_predictions": pa.schema([*WHO, *_PREDICTION]),
    "other_evaluations": pa.schema([*WHO, ("data", pa.string()), *_SUMS]),
    "other_predictions": pa.schema([*WHO, ("data", NAME), *_PREDICTION]),
    **ranking_tables.SCHEMAS,
    **BENCHMARKS,
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
            *((f"{package}_version", pa.string()) for package in RESULT_PACKAGES),
        ]
    ),
}
"""Losses are mean cross entropy (nats per image); accuracies are fractions from 0 to 1.

`seconds` is wall-clock time. `confidence` is the softmax probability of the predicted class, and
`label_confidence` that of the true class. `label_rank` is 0 if the true class ranks first.
`corruption` is `none` and `severity` is 0 for the uncorrupted test set. `data` is the data set of
an evaluation on other data than the test images. `recipe` is JSON.
"""

OF_OTHER_DATA = ("other_evaluations", "other_predictions")
"""Tables of evaluations on other data; those of the test images never hold their rows."""

ADDED_LATER = {
    "given_split",
    "group",
    "recipe",
    "evaluation_precision",
    "evaluation_correct",
    "evaluation_same_answers",
    *VALIDATED_LATER,
    *(f"{package}_version" for package in RESULT_PACKAGES),
}
"""Columns that files of earlier versions lack."""

MANIFEST = pa.schema(
    [
        ("path", pa.string()),
        ("label", NAME),
        ("split", NAME),
        ("sha256", pa.string()),
        ("pixels", pa.string()),
    ]
)
"""Row i describes image i of the array. `sha256` is the checksum of the file, `pixels` that of
its pixels.
"""

INVENTORY = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("given_split", pa.string()),
        ("group", pa.string()),
    ]
)
"""The files of a data set, as submitted. The last two columns are absent where they are empty."""

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
    "data",
    *NEVER_NULL_OF_BENCHMARKS,
}


FEW = 100
"""Files with at most this many rows are built in memory without compression.

They are as small as compressed files and take a third of the time to write.
"""

DATA_SETS = "none"
"""Partition of attempts that belong to no trial; no trial has this name."""
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The same in stores of version 0.1.0; pandas cannot read a null among names."""


def table_folder(table: str, trial: str) -> str:
    """Folder of a trial's rows in a table, relative to the store."""
    return f"results/{table}/trial={trial}"


def partitions(trials: Sequence[str]) -> list[str]:
    """The partitions that hold the rows of these trials, those of version 0.1.0 included."""
    return [*trials, *([NULL_PARTITION] if DATA_SETS in trials else [])]


def leave_null_partition(store: Path) -> None:
    """Move attempts from the null partition of version 0.1.0 into `DATA_SETS`."""
    old, new = (store / table_folder("attempts", name) for name in (NULL_PARTITION, DATA_SETS))
    with contextlib.suppress(OSError):  # another worker moves them, or nobody may: both are read
        for name in atomic.list_names(old):
            new.mkdir(parents=True, exist_ok=True)
            os.replace(old / name, new / name)
        old.rmdir()


def build_table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Build an Arrow table from rows, with the columns and types of the schema `name`."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMAS[name])


def write_table(path: Path, table: pa.Table, durable: bool = True) -> None:
    """Write one Parquet file atomically.

    A file that is not `durable` may be lost on power failure, but it is never partial.
    """
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
    """Rows of several Parquet files, in the order of `paths`; raises `DamagedFile`."""
    return [row for path in paths for row in _whole(path, None).to_pylist()]


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of one Parquet file, checked against a schema; raises `DamagedFile`.

    Columns of `ADDED_LATER` are null where an older file lacks them.
    """
    names = list(schema.names if columns is None else columns)
    table = _whole(path, names)
    for name in ADDED_LATER & {*names} - {*table.column_names}:
        nulls = pa.nulls(table.num_rows, schema.field(name).type)
        table = table.append_column(schema.field(name), nulls)
    table = table.select([name for name in names if name in table.column_names])
    for name in names:
        kind = table.schema.field(name).type if name in table.column_names else None
        if kind != schema.field(name).type:
            raise _damaged(
                path, f"its column '{name}' is {kind or 'missing'}, not {schema.field(name).type}"
            )
        if name in NEVER_NULL and table[name].null_count:
            raise _damaged(path, f"its column '{name}' has missing values")
    if {"correct", "total"} <= {*names}:
        counts = zip(table["correct"].to_pylist(), table["total"].to_pylist(), strict=True)
        wrong = next((pair for pair in counts if not 0 <= pair[0] <= pair[1]), None)
        if wrong:
            raise _damaged(path, f"{wrong[0]} of {wrong[1]} images correct is not a valid count")
    return table


def read_rows(
    store: Path, table_name: str, trials: Sequence[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """All published rows of these trials, with the column `trial`; empty if there are none.

    Raises `DamagedFile`, naming the first invalid file.
    """
    parts = []
    for trial in partitions(trials):
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
    return codec.damaged_file(
        path, reason, "Remove it, so that it is created again, with: orch verify RUN --repair"
    )


def _whole(path: Path, columns: Sequence[str] | None) -> pa.Table:
    """Read these columns of a Parquet file (None: all) and validate every value."""
    try:
        with permissions.access_errors(path):
            table = pq.ParquetFile(path).read(columns=columns)
        table.validate(full=True)
    except AccessDenied:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise
        raise _damaged(path, " ".join(str(error).split())[:120].rstrip(".")) from None
    return table
