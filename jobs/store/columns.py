"""Columns that several tables of the results share."""

from __future__ import annotations

import pyarrow as pa

NAME = pa.dictionary(pa.int32(), pa.string())
WHO = [
    ("backbone", pa.string()),
    ("seed", pa.int64()),
    ("period", pa.int64()),
    ("epoch", pa.int64()),
]
